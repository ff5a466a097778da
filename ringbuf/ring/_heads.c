/* Heads: the heads of many rings, looked at together. What an idle consumer does a hundred times a second, and nothing
 * else: without the GIL and without Python, so that a look costs little more than its sleep.
 *
 * A part of the native core, whose notes on memory order and processors hold here too (_native.c).
 */

#include "_native.h"

enum { NS_PER_SECOND = 1000000000 };

typedef struct {
    PyObject_HEAD
    Py_ssize_t count;
    Py_buffer *memories; /* held, so that no head is looked at after its memory is gone, whoever closes a ring */
    const uint64_t **heads;
    uint64_t *positions;
} Heads;

/* Relaxed, so that the processor waits for the memory of many rings at the same time. It is enough: whoever then reads
 * records loads the head again, with acquire. A position can be stored by another thread meanwhile. */
static inline int
is_news(const Heads *self, Py_ssize_t place)
{
    return __atomic_load_n(self->heads[place], __ATOMIC_RELAXED)
           != __atomic_load_n(&self->positions[place], __ATOMIC_RELAXED);
}

static int
has_news(const Heads *self)
{
    for (Py_ssize_t place = 0; place < self->count; place++) {
        if (is_news(self, place)) {
            return 1;
        }
    }
    return 0;
}

static PyObject *
heads_news(Heads *self, PyObject *Py_UNUSED(ignored))
{
    PyObject *found = PyList_New(0);
    for (Py_ssize_t place = 0; found != NULL && place < self->count; place++) {
        if (is_news(self, place)) {
            PyObject *number = PyLong_FromSsize_t(place);
            if (number == NULL || PyList_Append(found, number) < 0) {
                Py_CLEAR(found);
            }
            Py_XDECREF(number);
        }
    }
    return found;
}

static int64_t
nanoseconds(double seconds)
{
    const double most = 86400;
    return seconds > 0 ? (int64_t)((seconds < most ? seconds : most) * NS_PER_SECOND) : 0;
}

static int64_t
now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * NS_PER_SECOND + time.tv_nsec;
}

static PyObject *
heads_wait(Heads *self, PyObject *args)
{
    double pause, timeout;
    if (!PyArg_ParseTuple(args, "dd:wait", &pause, &timeout)) {
        return NULL;
    }
    const int64_t longest = nanoseconds(pause);
    int found = 0;
    Py_BEGIN_ALLOW_THREADS
    int64_t left = nanoseconds(timeout);
    const int64_t deadline = now() + left;
    do {
        const int64_t length = left < longest ? left : longest;
        const struct timespec sleep = {.tv_sec = length / NS_PER_SECOND, .tv_nsec = length % NS_PER_SECOND};
        if (clock_nanosleep(CLOCK_MONOTONIC, 0, &sleep, NULL) != 0) {
            break; /* a signal: its handler in Python gets its turn below, and the caller may have to stop */
        }
        found = has_news(self);
        left = deadline - now();
    } while (!found && left > 0);
    Py_END_ALLOW_THREADS
    return PyErr_CheckSignals() < 0 ? NULL : PyBool_FromLong(found);
}

static PyObject *
heads_move(Heads *self, PyObject *args)
{
    Py_ssize_t place;
    PyObject *number;
    if (!PyArg_ParseTuple(args, "nO:move", &place, &number)) {
        return NULL;
    }
    if (place < 0 || place >= self->count) {
        PyErr_Format(PyExc_IndexError, "ring %zd of %zd", place, self->count);
        return NULL;
    }
    unsigned long long position = PyLong_AsUnsignedLongLong(number);
    if (position == (unsigned long long)-1 && PyErr_Occurred()) {
        return NULL;
    }
    __atomic_store_n(&self->positions[place], position, __ATOMIC_RELAXED);
    Py_RETURN_NONE;
}

static int
add_ring(Heads *self, PyObject *cursors, Py_ssize_t index, PyObject *number)
{
    Py_buffer *memory = &self->memories[self->count];
    if (PyObject_GetBuffer(cursors, memory, PyBUF_SIMPLE) < 0) {
        return -1;
    }
    const Py_ssize_t place = self->count++;
    if (index < 0 || index >= memory->len / (Py_ssize_t)sizeof(uint64_t)) {
        PyErr_Format(PyExc_IndexError, "cursor %zd in %zd bytes", index, memory->len);
        return -1;
    }
    if ((uintptr_t)memory->buf % sizeof(uint64_t) != 0) {
        PyErr_SetString(PyExc_ValueError, "the memory does not begin at a multiple of 8 bytes");
        return -1;
    }
    self->heads[place] = (const uint64_t *)memory->buf + index;
    self->positions[place] = PyLong_AsUnsignedLongLong(number);
    return PyErr_Occurred() ? -1 : 0;
}

static PyObject *
heads_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"cursors", "index", "positions", NULL};
    PyObject *cursors, *positions;
    Py_ssize_t index;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O!nO!:Heads", names, &PyTuple_Type, &cursors, &index, &PyTuple_Type,
                                     &positions)) {
        return NULL;
    }
    const Py_ssize_t count = PyTuple_GET_SIZE(cursors);
    if (count != PyTuple_GET_SIZE(positions)) {
        PyErr_Format(PyExc_ValueError, "%zd rings have %zd positions", count, PyTuple_GET_SIZE(positions));
        return NULL;
    }
    Heads *self = (Heads *)type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    self->memories = PyMem_New(Py_buffer, count);
    self->heads = PyMem_New(const uint64_t *, count);
    self->positions = PyMem_New(uint64_t, count);
    if (self->memories == NULL || self->heads == NULL || self->positions == NULL) {
        PyErr_NoMemory();
        goto failed;
    }
    for (Py_ssize_t place = 0; place < count; place++) {
        if (add_ring(self, PyTuple_GET_ITEM(cursors, place), index, PyTuple_GET_ITEM(positions, place)) < 0) {
            goto failed;
        }
    }
    return (PyObject *)self;

failed:
    Py_DECREF(self);
    return NULL;
}

static void
heads_dealloc(Heads *self)
{
    PyTypeObject *type = Py_TYPE(self);
    for (Py_ssize_t place = 0; place < self->count; place++) {
        PyBuffer_Release(&self->memories[place]);
    }
    PyMem_Free(self->memories);
    PyMem_Free(self->heads);
    PyMem_Free(self->positions);
    type->tp_free((PyObject *)self);
    Py_DECREF(type);
}

static PyMethodDef heads_methods[] = {
    {"news", (PyCFunction)heads_news, METH_NOARGS,
     PyDoc_STR("Places of the rings whose head is elsewhere than their consumer.")},
    {"wait", (PyCFunction)heads_wait, METH_VARARGS,
     PyDoc_STR("Look at all heads every `pause` seconds; see `ringbuf.ring.heads`.")},
    {"move", (PyCFunction)heads_move, METH_VARARGS, PyDoc_STR("The consumer of the ring at a place has moved on.")},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot heads_slots[] = {
    {Py_tp_doc,
     (void *)PyDoc_STR("Heads(cursors, index, positions)\n--\n\nThe heads of many rings, looked at together.")},
    {Py_tp_new, heads_new},
    {Py_tp_dealloc, heads_dealloc},
    {Py_tp_methods, heads_methods},
    {0, NULL},
};

PyType_Spec ringbuf_heads_spec = {
    .name = "ringbuf.ring._native.Heads",
    .basicsize = sizeof(Heads),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = heads_slots,
};
