/* BoundRecorder: its making, from what ringbuf/strategies/native_recorder.py says about ring and record. */

#include "_recorder.h"

#include <string.h>

static int
is_inside(Py_ssize_t offset, Py_ssize_t size, Py_ssize_t end)
{
    return offset >= 0 && size >= 0 && offset <= end - size;
}

static int
check_float(PyObject *type)
{
    if (!PyType_IsSubtype((PyTypeObject *)type, &PyFloat_Type)) { /* the number would not be where it is read */
        PyErr_Format(PyExc_ValueError, "%R cannot be recorded: it is no subclass of float", type);
        return -1;
    }
    return 0;
}

static int
check_layout(const BoundRecorder *self, Py_ssize_t head, Py_ssize_t tail, Py_ssize_t slots, Py_ssize_t capacity)
{
    const Py_ssize_t length = self->memory.len, size = self->record_size;
    const Py_ssize_t bytes[] = {self->exec_type_at, self->side_at, self->origin_at};
    const Py_ssize_t numbers[] = {self->seq_at, self->captured_at, self->price_at, self->quantity_at};
    int sound = capacity > 0 && (capacity & (capacity - 1)) == 0 && size > 0 && is_inside(self->rear, 0, size)
                && is_inside(slots, 0, length) && size <= (length - slots) / capacity && is_inside(head, 8, slots)
                && is_inside(tail, 8, slots) && (uintptr_t)self->memory.buf % 8 == 0 && head % 8 == 0 && tail % 8 == 0;
    for (size_t index = 0; index < sizeof bytes / sizeof *bytes; index++) {
        sound = sound && is_inside(bytes[index], 1, size);
    }
    for (size_t index = 0; index < sizeof numbers / sizeof *numbers; index++) {
        sound = sound && is_inside(numbers[index], 8, size);
    }
    if (!sound) {
        PyErr_Format(PyExc_ValueError, "this layout does not fit into a ring of %zd bytes", length);
        return -1;
    }
    return 0;
}

static int
add_word(BoundRecorder *self, Field *field, PyObject *table, PyObject *member)
{
    PyObject *key, *number;
    if (!PyDict_CheckExact(table) || !PyType_Check(member) || self->word_count == MAX_WORDS) {
        return -1;
    }
    for (Py_ssize_t position = 0; PyDict_Next(table, &position, &key, &number);) {
        if (!PyLong_CheckExact(number) || PyLong_AsLong(number) < 0 || PyLong_AsLong(number) > UINT8_MAX) {
            return -1;
        }
    }
    field->kind = WORD;
    field->index = (uint8_t)self->word_count;
    Word *word = &self->words[self->word_count++];
    word->table = Py_NewRef(table);
    word->member = (PyTypeObject *)Py_NewRef(member);
    return 0;
}

static int
add_field(BoundRecorder *self, PyObject *name, PyObject *description)
{
    static const Kind kinds[] = {['f'] = NUMBER, ['i'] = TIME, ['u'] = UNSIGNED, ['S'] = TEXT, ['-'] = BOUND};
    int code;
    Py_ssize_t offset, size;
    PyObject *table, *member;
    if (!PyArg_ParseTuple(description, "CnnOO", &code, &offset, &size, &table, &member)) {
        return -1;
    }
    Field field = {.offset = (uint16_t)offset, .size = (uint8_t)size};
    int sound = self->count < MAX_FIELDS && PyUnicode_CheckExact(name) && is_inside(offset, size, self->record_size)
                && offset <= UINT16_MAX && size <= UINT8_MAX && code < 128 && strchr("fiuS-", code) != NULL;
    if (sound && table != Py_None) {
        sound = code == 'u' && size == 1 && add_word(self, &field, table, member) == 0;
    }
    else if (sound) {
        sound = code == 'S' || code == '-' || size == 8;
        field.kind = kinds[code];
    }
    if (!sound) {
        PyErr_Format(PyExc_ValueError, "field %R cannot be recorded: %R", name, description);
        return -1;
    }
    PyObject *interned = Py_NewRef(name);
    PyUnicode_InternInPlace(&interned);
    size_t place = address_hash(interned);
    while (self->by_address[place] != 0) {
        place = (place + 1) % ADDRESSES;
    }
    self->names[self->count] = interned;
    self->fields[self->count] = field;
    self->by_address[place] = (uint8_t)++self->count;
    return 0;
}

static int
add_method(BoundRecorder *self, Method *method, PyObject *record, PyObject *pure)
{
    const char *bytes = PyBytes_AS_STRING(record);
    Py_ssize_t used = PyBytes_GET_SIZE(record);
    if (used != self->record_size) {
        PyErr_Format(PyExc_ValueError, "a template has %zd bytes, a record %zd", used, self->record_size);
        return -1;
    }
    while (used > 0 && bytes[used - 1] == 0) {
        used--;
    }
    if (used > self->rear) {
        PyErr_Format(PyExc_ValueError, "a template has a value at byte %zd, behind %zd", used - 1, self->rear);
        return -1;
    }
    method->record = Py_NewRef(record);
    method->pure = Py_NewRef(pure);
    return 0;
}

PyObject *
ringbuf_recorder_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {
        "producer", "memory", "head", "tail", "slots", "capacity", "record_size", "rear", "stamps", "complete",
        "unclear", "fields", "float64", "order", "fill", "pure_order", "pure_fill", "pure_order_of", NULL,
    };
    const State *state = PyType_GetModuleState(type);
    PyObject *producer, *memory, *fields, *float64, *templates[METHODS], *pure[METHODS], *pure_order_of;
    Py_ssize_t head, tail, slots, capacity;
    BoundRecorder *self = (BoundRecorder *)type->tp_alloc(type, 0);
    if (self == NULL
        || !PyArg_ParseTupleAndKeywords(
            args, kwargs, "O!O$nnnnnn(nn)(ninnn)(LLni)O!O!SSOOO:BoundRecorder", names, state->append_state, &producer,
            &memory, &head, &tail, &slots, &capacity, &self->record_size, &self->rear, &self->seq_at,
            &self->captured_at, &self->exec_type_at, &self->fill, &self->side_at, &self->price_at, &self->quantity_at,
            &self->unclear_from, &self->unclear_to, &self->origin_at, &self->simulated, &PyDict_Type, &fields,
            &PyType_Type, &float64, &templates[ORDER], &templates[FILL], &pure[ORDER], &pure[FILL], &pure_order_of)
        || PyObject_GetBuffer(memory, &self->memory, PyBUF_WRITABLE) < 0
        || check_float(float64) < 0 || check_layout(self, head, tail, slots, capacity) < 0) {
        goto failed;
    }
    self->producer = (AppendState *)Py_NewRef(producer);
    self->float64 = (PyTypeObject *)Py_NewRef(float64);
    self->pure_order_of = Py_NewRef(pure_order_of);
    self->head = (uint64_t *)((char *)self->memory.buf + head);
    self->tail = (const uint64_t *)((char *)self->memory.buf + tail);
    self->slots = (unsigned char *)self->memory.buf + slots;
    self->capacity = (uint64_t)capacity;
    PyObject *name, *description;
    for (Py_ssize_t position = 0; PyDict_Next(fields, &position, &name, &description);) {
        if (add_field(self, name, description) < 0) {
            goto failed;
        }
    }
    for (int index = 0; index < METHODS; index++) {
        if (add_method(self, &self->methods[index], templates[index], pure[index]) < 0) {
            goto failed;
        }
    }
    return (PyObject *)self;

failed:
    Py_XDECREF(self);
    return NULL;
}
