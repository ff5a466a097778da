/* Lock: what threads of one process share a producer through. Reentrant, and taken only by a thread that has the GIL.
 *
 * Python's own locks are handed to a waiting thread that does not have the GIL. Whoever wants the lock next waits as
 * well and gives up the GIL for it, so between two threads that append without a pause the lock changes hands at each
 * append; with a third that computes, each change takes an interval of the interpreter's switch, 5 ms. Here a thread
 * that finds the lock taken, which means that its holder was interrupted, lets others run and looks again.
 */

#include "_native.h"

#include <pythread.h>
#include <sched.h>

enum { YIELDS = 16, PAUSE_NS = 50000 };

typedef struct {
    PyObject_HEAD
    unsigned long owner;
    Py_ssize_t depth;
} Lock;

/* The lock can be held for long, from a claim to its commit. */
static void
let_others_run(int round)
{
    const struct timespec pause = {.tv_nsec = PAUSE_NS};
    Py_BEGIN_ALLOW_THREADS
    if (round < YIELDS) {
        sched_yield();
    }
    else {
        nanosleep(&pause, NULL);
    }
    Py_END_ALLOW_THREADS
}

static PyObject *
lock_acquire(Lock *self, PyObject *Py_UNUSED(ignored))
{
    const unsigned long caller = PyThread_get_thread_ident();
    for (int round = 0; self->depth != 0 && self->owner != caller; round += round < YIELDS) {
        let_others_run(round);
        if (PyErr_CheckSignals() < 0) {
            return NULL;
        }
    }
    self->owner = caller;
    self->depth++;
    Py_RETURN_TRUE;
}

static PyObject *
lock_release(Lock *self, PyObject *Py_UNUSED(ignored))
{
    if (self->depth == 0 || self->owner != PyThread_get_thread_ident()) {
        PyErr_SetString(PyExc_RuntimeError, "cannot release a lock that this thread has not acquired");
        return NULL;
    }
    self->depth--;
    Py_RETURN_NONE;
}

static PyObject *
lock_exit(Lock *self, PyObject *const *Py_UNUSED(args), Py_ssize_t Py_UNUSED(count))
{
    return lock_release(self, NULL);
}

static PyMethodDef lock_methods[] = {
    {"acquire", (PyCFunction)lock_acquire, METH_NOARGS, PyDoc_STR("Wait until no other thread has the lock; take it.")},
    {"release", (PyCFunction)lock_release, METH_NOARGS, PyDoc_STR("Undo one `acquire` of this thread.")},
    {"__enter__", (PyCFunction)lock_acquire, METH_NOARGS, NULL},
    {"__exit__", (PyCFunction)(void (*)(void))lock_exit, METH_FASTCALL, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot lock_slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("Lock()\n--\n\nWhat threads of one process share a producer through.")},
    {Py_tp_methods, lock_methods},
    {0, NULL},
};

PyType_Spec ringbuf_lock_spec = {
    .name = "ringbuf.ring._native.Lock",
    .basicsize = sizeof(Lock),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = lock_slots,
};
