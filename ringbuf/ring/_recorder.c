/* BoundRecorder: order(), fill() and order_of(). */

#include "_values.h"

#include <math.h>
#include <string.h>

static const Field *
find_interned(const BoundRecorder *self, PyObject *name)
{
    size_t place = address_hash(name);
    for (uint8_t number; (number = self->by_address[place]) != 0; place = (place + 1) % ADDRESSES) {
        if (self->names[number - 1] == name) {
            return &self->fields[number - 1];
        }
    }
    return NULL;
}

static const Field *
find_field(const BoundRecorder *self, PyObject *name)
{
    const Field *field = find_interned(self, name);
    if (field == NULL && PyUnicode_CheckExact(name)) { /* of a dict with keys made at run time */
        PyObject *interned = Py_NewRef(name);
        PyUnicode_InternInPlace(&interned);
        field = find_interned(self, interned);
        Py_DECREF(interned);
    }
    return field;
}

static int
resolve(BoundRecorder *self, Call *call, PyObject *names)
{
    Py_ssize_t count = PyTuple_GET_SIZE(names);
    Py_CLEAR(call->names);
    if (count > self->count) {
        return -1;
    }
    for (Py_ssize_t position = 0; position < count; position++) {
        const Field *field = find_field(self, PyTuple_GET_ITEM(names, position));
        if (field == NULL || field->kind == BOUND) {
            return -1;
        }
        call->fields[position] = *field;
    }
    call->names = Py_NewRef(names);
    return 0;
}

/* A fill has a side, a price and a quantity; what is no fill is complete as it is. */
static inline int
is_complete(const BoundRecorder *self, const unsigned char *slot)
{
    double price, quantity;
    memcpy(&price, slot + self->price_at, sizeof price);
    memcpy(&quantity, slot + self->quantity_at, sizeof quantity);
    return slot[self->exec_type_at] != self->fill || (slot[self->side_at] && isfinite(price) && isfinite(quantity));
}

/* The next slot is free: nobody is in the middle of an append or claim, and the ring is not full. A limit of 0 is the
 * word of a producer that can no longer append. */
static inline int
has_room(BoundRecorder *self, uint64_t seq)
{
    AppendState *producer = self->producer;
    if (producer->busy) {
        return 0;
    }
    if (seq >= producer->limit && producer->limit != 0) {
        producer->limit = load(self->tail) + self->capacity;
    }
    return seq < producer->limit;
}

static inline unsigned char *
slot_of(const BoundRecorder *self, uint64_t seq)
{
    return self->slots + (seq & (self->capacity - 1)) * (uint64_t)self->record_size;
}

/* The rear of a slot is zero unless a record wrote there, which is seldom and noted: so it is mostly not even looked at,
 * and an append costs no more than with the smaller records of version 1. */
static inline unsigned char *
blank_slot(const BoundRecorder *self, const Method *method, uint64_t seq)
{
    unsigned char *slot = slot_of(self, seq);
    memcpy(slot, PyBytes_AS_STRING(method->record), (size_t)self->rear);
    if (seq < self->producer->clear_below) {
        memset(slot + self->rear, 0, (size_t)(self->record_size - self->rear));
    }
    return slot;
}

static inline void
stamp(const BoundRecorder *self, unsigned char *slot, uint64_t seq)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    int64_t captured = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
    memcpy(slot + self->seq_at, &seq, sizeof seq);
    memcpy(slot + self->captured_at, &captured, sizeof captured);
}

/* Have the processor fetch what a later append will write. It changes nothing in the middle; but in bursts the slowest
 * appends in a hundred were those that waited for memory. The next slot would be too late for the burst. */
static inline void
fetch_slot_ahead(const BoundRecorder *self, uint64_t seq)
{
    enum { AHEAD = 3, LINE = 64 };
    const unsigned char *slot = slot_of(self, seq + AHEAD);
    for (Py_ssize_t line = 0; line < self->rear; line += LINE) {
        __builtin_prefetch(slot + line, 1);
        __asm__ volatile(""); /* else GCC at -O2, which is how Debian builds, takes the loop for empty */
    }
}

/* What was stored becomes a record. Answers its seq; NULL if it is not usual, or there is no memory for the answer. */
static inline PyObject *
publish(BoundRecorder *self, unsigned char *slot, uint64_t seq, int stored)
{
    if (stored < 0 || !is_complete(self, slot) || (stored > 0 && slot[self->origin_at] != self->simulated)) {
        return NULL;
    }
    PyObject *answer = PyLong_FromUnsignedLongLong(seq); /* may fail, so not after the record is published */
    if (answer != NULL) {
        stamp(self, slot, seq);
        store(self->head, seq + 1);
        fetch_slot_ahead(self, seq);
    }
    return answer;
}

/* Values of a call, whose names are resolved; answers as store_value does. */
static inline int
store_call(BoundRecorder *self, const Call *call, PyObject *const *args, unsigned char *slot, uint64_t seq)
{
    const Py_ssize_t count = PyTuple_GET_SIZE(call->names);
    int unclear = 0;
    for (Py_ssize_t position = 0; position < count; position++) {
        const int stored = store_value(self, slot, call->fields[position], args[position], seq);
        if (stored < 0) {
            return -1;
        }
        unclear |= stored;
    }
    return unclear;
}

/* Values of an update, likewise. */
static inline int
store_update(BoundRecorder *self, PyObject *update, unsigned char *slot, uint64_t seq)
{
    PyObject *name, *value;
    int unclear = 0;
    for (Py_ssize_t position = 0; PyDict_Next(update, &position, &name, &value);) {
        const Field *field = find_field(self, name);
        const int stored = field == NULL ? -1 : store_value(self, slot, *field, value, seq);
        if (stored < 0) {
            return -1;
        }
        unclear |= stored;
    }
    return unclear;
}

/* The record is built where it will be read: as long as the head is not stored, nobody looks at that slot, and whatever
 * an abandoned call leaves in it is overwritten by the next. What cannot be published, the pure recorder gets as it is. */
static PyObject *
record(BoundRecorder *self, Method *method, PyObject *const *args, Py_ssize_t positional, PyObject *names)
{
    const uint64_t seq = *self->head; /* this process is the only one to store it */
    Call *call = &method->call;
    PyObject *answer = NULL;
    if (positional == 0 && names != NULL && (names == call->names || resolve(self, call, names) == 0)
        && has_room(self, seq)) {
        unsigned char *slot = blank_slot(self, method, seq);
        answer = publish(self, slot, seq, store_call(self, call, args, slot, seq));
    }
    if (answer == NULL) {
        PyErr_Clear(); /* of a text without UTF-8; the pure recorder finds it again */
        answer = PyObject_Vectorcall(method->pure, args, (size_t)positional, names);
    }
    return answer;
}

static PyObject *
recorder_order_of(BoundRecorder *self, PyObject *update)
{
    const uint64_t seq = *self->head;
    PyObject *answer = NULL;
    if (PyDict_CheckExact(update) && has_room(self, seq)) {
        unsigned char *slot = blank_slot(self, &self->methods[ORDER], seq);
        answer = publish(self, slot, seq, store_update(self, update, slot, seq));
    }
    if (answer == NULL) {
        PyErr_Clear();
        answer = PyObject_CallOneArg(self->pure_order_of, update);
    }
    return answer;
}

static PyObject *
recorder_order(BoundRecorder *self, PyObject *const *args, Py_ssize_t positional, PyObject *names)
{
    return record(self, &self->methods[ORDER], args, positional, names);
}

static PyObject *
recorder_fill(BoundRecorder *self, PyObject *const *args, Py_ssize_t positional, PyObject *names)
{
    return record(self, &self->methods[FILL], args, positional, names);
}

static int
recorder_traverse(BoundRecorder *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->producer);
    Py_VISIT(self->pure_order_of);
    for (int index = 0; index < METHODS; index++) {
        Py_VISIT(self->methods[index].pure);
    }
    return 0;
}

static void
recorder_dealloc(BoundRecorder *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    PyBuffer_Release(&self->memory);
    Py_XDECREF(self->producer);
    Py_XDECREF(self->float64);
    Py_XDECREF(self->pure_order_of);
    for (int index = 0; index < METHODS; index++) {
        Py_XDECREF(self->methods[index].record);
        Py_XDECREF(self->methods[index].pure);
        Py_XDECREF(self->methods[index].call.names);
    }
    for (Py_ssize_t index = 0; index < self->count; index++) {
        Py_DECREF(self->names[index]);
    }
    for (Py_ssize_t index = 0; index < self->word_count; index++) {
        Py_DECREF(self->words[index].table);
        Py_DECREF(self->words[index].member);
        for (int place = 0; place < SEEN; place++) {
            Py_XDECREF(self->words[index].seen[place]);
        }
    }
    type->tp_free((PyObject *)self);
    Py_DECREF(type);
}

/* What benchmarks compare `fill` with: values without names, in the order of the last fill, of the right types (a word
 * is its number, a text is ASCII), into a ring with room; none of that is checked. Without values: the mere record. */
static PyObject *
recorder_floor(BoundRecorder *self, PyObject *const *args, Py_ssize_t count)
{
    const Method *method = &self->methods[FILL];
    if (count != 0 && (method->call.names == NULL || PyTuple_GET_SIZE(method->call.names) != count)) {
        PyErr_SetString(PyExc_ValueError, "the last fill had another number of values");
        return NULL;
    }
    const uint64_t seq = *self->head;
    unsigned char *slot = blank_slot(self, method, seq);
    for (Py_ssize_t position = 0; position < count; position++) {
        const Field field = method->call.fields[position];
        if (field.offset >= self->rear) {
            mark_dirty(self, seq);
        }
        unsigned char *at = slot + field.offset;
        if (field.kind == NUMBER) {
            memcpy(at, &((PyFloatObject *)args[position])->ob_fval, sizeof(double));
        }
        else if (field.kind == TEXT) {
            memcpy(at, PyUnicode_1BYTE_DATA(args[position]), (size_t)PyUnicode_GET_LENGTH(args[position]));
        }
        else {
            long long integer = PyLong_AsLongLong(args[position]);
            memcpy(at, &integer, field.size);
        }
    }
    stamp(self, slot, seq);
    store(self->head, seq + 1);
    Py_RETURN_NONE;
}

static PyMethodDef recorder_methods[] = {
    {"order", (PyCFunction)(void (*)(void))recorder_order, METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR("Record a new state of an order; `exec_type` is `order_status` unless given.")},
    {"fill", (PyCFunction)(void (*)(void))recorder_fill, METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR("Record a fill together with the state of its order after it.")},
    {"order_of", (PyCFunction)recorder_order_of, METH_O,
     PyDoc_STR("Record an update of an order, as `order` does; what it says of what is bound is left out.")},
    {"_floor", (PyCFunction)(void (*)(void))recorder_floor, METH_FASTCALL,
     PyDoc_STR("The least that a fill with these values must do; for benchmarks alone, see the source.")},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot recorder_slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("Records usual values of executions; hands on to a pure recorder what is unusual.")},
    {Py_tp_new, ringbuf_recorder_new},
    {Py_tp_traverse, recorder_traverse},
    {Py_tp_dealloc, recorder_dealloc},
    {Py_tp_methods, recorder_methods},
    {0, NULL},
};

PyType_Spec ringbuf_recorder_spec = {
    .name = "ringbuf.ring._native.BoundRecorder",
    .basicsize = sizeof(BoundRecorder),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = recorder_slots,
};
