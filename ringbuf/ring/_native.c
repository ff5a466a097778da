/* The native core: what the pure package does, nearer to the machine. Optional; `ringbuf.ring.native` decides.
 *
 * BoundRecorder   order() and fill() in front of a pure recorder: takes the usual values, hands on every call it is not
 *                 sure of, unchanged. So whatever it does not do itself is the pure recorder's, to the byte
 *                 (_recorder.c, _recorder_new.c).
 * AppendState     what every append looks at first; the base of Producer, so that C reads it without Python.
 * Cursors         the numbers in a ring's header, with the loads and stores that other processors than x86-64 need.
 * Lock            what threads share a producer through (_lock.c).
 * Heads           many rings' heads, looked at together (_heads.c).
 *
 * No offset of ring or record is written here: all come from ringbuf/ring/layout.py and ringbuf/record/execution.py at run time.
 *
 * Threads: everything but `Heads.wait` relies on the GIL. A call runs no Python code between its first look at the ring
 * and its last store, so other threads and signal handlers see all of an append or nothing. The module says so to
 * free-threaded Python (Py_MOD_GIL_USED), and `ringbuf.ring.native` does not load it where the lock is off.
 *
 * ARM: tests/litmus proves that `load` and `store` do there what they must; all else has run in an emulator only.
 */

#include "_native.h"

/* AppendState */

static PyMemberDef append_state_members[] = {
    {"limit", T_ULONGLONG, offsetof(AppendState, limit), 0,
     PyDoc_STR("Appends below this seq need no look at the tail; 0 sends every append to `Producer.has_room`.")},
    {"clear_below", T_ULONGLONG, offsetof(AppendState, clear_below), 0,
     PyDoc_STR("Appends below this seq find in the rear of their slot what an earlier record may have left there.")},
    {"busy", T_BOOL, offsetof(AppendState, busy), 0,
     PyDoc_STR("Whether an append is under way; a signal handler can find it so in its own thread.")},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot append_state_slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("What every append looks at first.")},
    {Py_tp_members, append_state_members},
    {0, NULL},
};

static PyType_Spec append_state_spec = {
    .name = "ringbuf.ring._native.AppendState",
    .basicsize = sizeof(AppendState),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .slots = append_state_slots,
};

/* Cursors */

typedef struct {
    PyObject_HEAD
    Py_buffer memory;
} Cursors;

static PyObject *
cursors_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"memory", NULL};
    PyObject *memory;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O:Cursors", names, &memory)) {
        return NULL;
    }
    Cursors *self = (Cursors *)type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    if (PyObject_GetBuffer(memory, &self->memory, PyBUF_WRITABLE) < 0) {
        PyErr_Clear(); /* read-only memory, an observer's */
        if (PyObject_GetBuffer(memory, &self->memory, PyBUF_SIMPLE) < 0) {
            Py_DECREF(self);
            return NULL;
        }
    }
    if ((uintptr_t)self->memory.buf % sizeof(uint64_t) != 0) {
        PyErr_SetString(PyExc_ValueError, "the memory does not begin at a multiple of 8 bytes");
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

static void
cursors_dealloc(Cursors *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyBuffer_Release(&self->memory);
    type->tp_free((PyObject *)self);
    Py_DECREF(type);
}

static Py_ssize_t
cursors_length(Cursors *self)
{
    return self->memory.len / (Py_ssize_t)sizeof(uint64_t);
}

static uint64_t *
cursors_at(Cursors *self, PyObject *index)
{
    Py_ssize_t position = PyNumber_AsSsize_t(index, PyExc_IndexError);
    if (position == -1 && PyErr_Occurred()) {
        return NULL;
    }
    if (position < 0 || position >= cursors_length(self)) {
        PyErr_Format(PyExc_IndexError, "cursor %zd of %zd", position, cursors_length(self));
        return NULL;
    }
    return (uint64_t *)self->memory.buf + position;
}

static PyObject *
cursors_get(Cursors *self, PyObject *index)
{
    const uint64_t *cursor = cursors_at(self, index);
    return cursor == NULL ? NULL : PyLong_FromUnsignedLongLong(load(cursor));
}

static int
cursors_set(Cursors *self, PyObject *index, PyObject *value)
{
    uint64_t *cursor = cursors_at(self, index);
    if (cursor == NULL) {
        return -1;
    }
    if (value == NULL || self->memory.readonly) {
        PyErr_SetString(PyExc_TypeError, "a cursor cannot be deleted, nor stored in read-only memory");
        return -1;
    }
    unsigned long long number = PyLong_AsUnsignedLongLong(value);
    if (number == (unsigned long long)-1 && PyErr_Occurred()) {
        return -1;
    }
    store(cursor, number);
    return 0;
}

/* Cursors are also their memory. */
static int
cursors_buffer(Cursors *self, Py_buffer *view, int flags)
{
    return PyObject_GetBuffer(self->memory.obj, view, flags);
}

static PyType_Slot cursors_slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("Cursors(memory)\n--\n\nThe u64 numbers at the beginning of a ring, by index.")},
    {Py_tp_new, cursors_new},
    {Py_tp_dealloc, cursors_dealloc},
    {Py_mp_length, cursors_length},
    {Py_mp_subscript, cursors_get},
    {Py_mp_ass_subscript, cursors_set},
    {Py_bf_getbuffer, cursors_buffer},
    {0, NULL},
};

static PyType_Spec cursors_spec = {
    .name = "ringbuf.ring._native.Cursors",
    .basicsize = sizeof(Cursors),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = cursors_slots,
};

/* Module */

static PyTypeObject *
add_type(PyObject *module, PyType_Spec *spec)
{
    PyTypeObject *type = (PyTypeObject *)PyType_FromModuleAndSpec(module, spec, NULL);
    if (type != NULL && PyModule_AddType(module, type) < 0) {
        Py_CLEAR(type);
    }
    return type;
}

static int
module_exec(PyObject *module)
{
    PyType_Spec *const others[] = {&cursors_spec, &ringbuf_lock_spec, &ringbuf_heads_spec, &ringbuf_recorder_spec};
    State *state = PyModule_GetState(module);
    state->append_state = add_type(module, &append_state_spec);
    if (state->append_state == NULL) {
        return -1;
    }
    for (size_t index = 0; index < sizeof others / sizeof *others; index++) {
        PyTypeObject *type = add_type(module, others[index]);
        if (type == NULL) {
            return -1;
        }
        Py_DECREF(type); /* the module has it */
    }
    return 0;
}

static int
module_traverse(PyObject *module, visitproc visit, void *arg)
{
    Py_VISIT(((State *)PyModule_GetState(module))->append_state);
    return 0;
}

static int
module_clear(PyObject *module)
{
    Py_CLEAR(((State *)PyModule_GetState(module))->append_state);
    return 0;
}

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, module_exec},
#ifdef Py_mod_gil
    {Py_mod_gil, Py_MOD_GIL_USED},
#endif
    {0, NULL},
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "ringbuf.ring._native",
    .m_doc = PyDoc_STR("The native core; see ringbuf.ring.native."),
    .m_size = sizeof(State),
    .m_slots = module_slots,
    .m_traverse = module_traverse,
    .m_clear = module_clear,
};

PyMODINIT_FUNC
PyInit__native(void)
{
    return PyModuleDef_Init(&module);
}
