/* The native core: what the pure package does, nearer to the machine. Optional; `ringbuf.native` decides.
 *
 * BoundRecorder   order() and fill() in front of a pure recorder: takes the usual values, hands on every call it is not
 *                 sure of, unchanged. So whatever it does not do itself is the pure recorder's, to the byte.
 * AppendState     what every append looks at first; the base of Producer, so that C reads it without Python.
 * Cursors         the numbers in a ring's header, with the loads and stores that other processors than x86-64 need.
 * Heads           many rings' heads, looked at together (_heads.c).
 *
 * No offset of ring or record is written here: all come from ringbuf/layout.py and ringbuf/execution.py at run time.
 *
 * Threads: everything but `Heads.wait` relies on the GIL. A call runs no Python code between its first look at the ring
 * and its last store, so other threads and signal handlers see all of an append or nothing. The module says so to
 * free-threaded Python (Py_MOD_GIL_USED), and `ringbuf.native` does not load it where the lock is off.
 *
 * ARM: tests/litmus proves that `load` and `store` do there what they must; all else has run in an emulator only.
 */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <structmember.h>

#include <math.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__ || UINTPTR_MAX < UINT64_MAX
#error "numbers of 64 bits are stored at once and as they are in memory: little-endian processors of 64 bits only"
#endif

/* A load sees everything that was stored before the store it reads from. The fence keeps a reader's earlier loads in
 * front of it: an observer looks at the cursors once more to learn whether what it copied was being overwritten. */
static inline uint64_t
load(const uint64_t *cursor)
{
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    return __atomic_load_n(cursor, __ATOMIC_ACQUIRE);
}

/* A store is seen after everything stored before it. The fence keeps later stores behind it: whoever sees a slot being
 * overwritten must be able to see that the head has reached it. */
static inline void
store(uint64_t *cursor, uint64_t value)
{
    __atomic_store_n(cursor, value, __ATOMIC_RELEASE);
    __atomic_thread_fence(__ATOMIC_RELEASE);
}

typedef struct {
    PyTypeObject *append_state;
} State;

/* AppendState */

typedef struct {
    PyObject_HEAD
    unsigned long long limit;
    char busy;
} AppendState;

static PyMemberDef append_state_members[] = {
    {"limit", T_ULONGLONG, offsetof(AppendState, limit), 0,
     PyDoc_STR("Appends below this seq need no look at the tail; 0 sends every append to `Producer.has_room`.")},
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
    .name = "ringbuf._native.AppendState",
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
    .name = "ringbuf._native.Cursors",
    .basicsize = sizeof(Cursors),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = cursors_slots,
};

extern PyType_Spec ringbuf_heads_spec;

/* BoundRecorder */

enum { ORDER, FILL, METHODS };
enum { MAX_FIELDS = 64, MAX_WORDS = 16, ADDRESSES = 256, SEEN = 16 };

typedef enum { WORD, NUMBER, SIGNED, UNSIGNED, TEXT } Kind;

typedef struct {
    uint16_t offset;
    uint8_t size;
    uint8_t kind;
    uint8_t index;
} Field;

/* An enumeration. The few words in use are mostly the same objects again and again, so they are known by address. */
typedef struct {
    PyObject *table;      /* what may be given -> number */
    PyTypeObject *member; /* IntEnum */
    PyObject *seen[SEEN];
    uint8_t numbers[SEEN];
} Word;

/* The fields of one call, in its order. A call in the source gives the same tuple of names every time. */
typedef struct {
    PyObject *names;
    Field fields[MAX_FIELDS];
} Call;

typedef struct {
    PyObject *record; /* bytes of a record before any value is given */
    Py_ssize_t used;  /* bytes of it up to the last that is not 0 */
    PyObject *pure;   /* the same method of the pure recorder */
    Call call;
} Method;

typedef struct {
    PyObject_HEAD
    AppendState *producer;
    Py_buffer memory;
    uint64_t *head;
    const uint64_t *tail;
    unsigned char *slots;
    uint64_t capacity;
    Py_ssize_t record_size;
    Py_ssize_t seq_at, captured_at, exec_type_at, side_at, price_at, quantity_at;
    int fill;
    PyTypeObject *float64; /* numpy's, a subclass of float */
    Method methods[METHODS];
    Py_ssize_t count;
    PyObject *names[MAX_FIELDS];
    Field fields[MAX_FIELDS];
    Py_ssize_t word_count;
    Word words[MAX_WORDS];
    uint8_t by_address[ADDRESSES]; /* number of a field + 1 by the address of its interned name; 0 is none */
} BoundRecorder;

/* A number below ADDRESSES; objects of about one size lie at regular distances, which the product breaks up. */
static inline size_t
address_hash(const PyObject *object)
{
    return ((uint64_t)(uintptr_t)object >> 4) * 0x9E3779B97F4A7C15u >> 56;
}

static const Field *
find_field(const BoundRecorder *self, PyObject *name)
{
    size_t place = address_hash(name);
    for (uint8_t number; (number = self->by_address[place]) != 0; place = (place + 1) % ADDRESSES) {
        if (self->names[number - 1] == name) {
            return &self->fields[number - 1];
        }
    }
    return NULL;
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
        PyObject *name = PyTuple_GET_ITEM(names, position);
        const Field *field = find_field(self, name);
        if (field == NULL && PyUnicode_CheckExact(name)) { /* of a dict with keys made at run time */
            PyObject *interned = Py_NewRef(name);
            PyUnicode_InternInPlace(&interned);
            field = find_field(self, interned);
            Py_DECREF(interned);
        }
        if (field == NULL) {
            return -1;
        }
        call->fields[position] = *field;
    }
    call->names = Py_NewRef(names);
    return 0;
}

static int
store_word(unsigned char *at, Word *word, PyObject *value)
{
    size_t place = address_hash(value) % SEEN;
    if (value != word->seen[place]) {
        const PyTypeObject *type = Py_TYPE(value);
        if (type != &PyUnicode_Type && type != &PyLong_Type && type != word->member) {
            return -1; /* a lookup could run Python code, or find the word of 1 for True */
        }
        PyObject *number = PyDict_GetItemWithError(word->table, value);
        if (number == NULL) {
            return -1;
        }
        word->numbers[place] = (uint8_t)PyLong_AsLong(number);
        Py_XSETREF(word->seen[place], Py_NewRef(value));
    }
    *at = word->numbers[place];
    return 0;
}

static inline int
store_number(const BoundRecorder *self, unsigned char *at, PyObject *value)
{
    double number;
    if (PyFloat_CheckExact(value) || Py_TYPE(value) == self->float64) {
        number = PyFloat_AS_DOUBLE(value);
    }
    else if (PyLong_CheckExact(value)) {
        const long long exact = 1LL << 53; /* larger ones may have no f64 */
        int overflow;
        long long integer = PyLong_AsLongLongAndOverflow(value, &overflow);
        if (overflow || integer < -exact || integer > exact) {
            return -1;
        }
        number = (double)integer;
    }
    else {
        return -1;
    }
    memcpy(at, &number, sizeof number);
    return 0;
}

static inline int
store_integer(unsigned char *at, PyObject *value, int is_signed)
{
    int overflow;
    if (!PyLong_CheckExact(value)) {
        return -1;
    }
    long long integer = PyLong_AsLongLongAndOverflow(value, &overflow);
    if (overflow || (integer < 0 && !is_signed)) {
        return -1;
    }
    memcpy(at, &integer, sizeof integer);
    return 0;
}

/* Copies a text; tells whether it is free of NUL, which is the padding. */
static inline int
copy_text(unsigned char *to, const char *from, size_t size)
{
    const uint64_t ones = 0x0101010101010101, highs = 0x8080808080808080;
    uint64_t zeros = 0, chunk;
    size_t done = 0;
    for (; done + sizeof chunk <= size; done += sizeof chunk) {
        memcpy(&chunk, from + done, sizeof chunk);
        memcpy(to + done, &chunk, sizeof chunk);
        zeros |= (chunk - ones) & ~chunk & highs;
    }
    for (; done < size; done++) {
        to[done] = (unsigned char)from[done];
        zeros |= from[done] == 0;
    }
    return zeros == 0;
}

static inline int
store_text(unsigned char *at, Py_ssize_t width, PyObject *value)
{
    const char *text;
    Py_ssize_t size;
    if (!PyUnicode_CheckExact(value)) {
        return -1;
    }
    if (PyUnicode_IS_COMPACT_ASCII(value)) {
        text = (const char *)PyUnicode_1BYTE_DATA(value);
        size = PyUnicode_GET_LENGTH(value);
    }
    else {
        text = PyUnicode_AsUTF8AndSize(value, &size);
    }
    return text != NULL && size <= width && copy_text(at, text, (size_t)size) ? 0 : -1;
}

static inline int
store_value(BoundRecorder *self, unsigned char *slot, Field field, PyObject *value)
{
    unsigned char *at = slot + field.offset;
    if (value == Py_None) {
        return 0; /* as if it were not given */
    }
    switch ((Kind)field.kind) {
    case WORD:
        return store_word(at, &self->words[field.index], value);
    case NUMBER:
        return store_number(self, at, value);
    case SIGNED:
        return store_integer(at, value, 1);
    case UNSIGNED:
        return store_integer(at, value, 0);
    case TEXT:
        return store_text(at, field.size, value);
    }
    Py_UNREACHABLE();
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

static inline unsigned char *
blank_slot(const BoundRecorder *self, const Method *method, uint64_t seq)
{
    unsigned char *slot = slot_of(self, seq);
    memcpy(slot, PyBytes_AS_STRING(method->record), (size_t)method->used);
    memset(slot + method->used, 0, (size_t)(self->record_size - method->used));
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

/* Have the processor fetch what the next append will write. It changes nothing in the middle; but in bursts the slowest
 * appends in a hundred were those that waited for memory. */
static inline void
fetch_next_slot(const BoundRecorder *self, uint64_t seq)
{
    const unsigned char *slot = slot_of(self, seq + 1);
    for (Py_ssize_t line = 0; line < self->record_size; line += 64) {
        __builtin_prefetch(slot + line, 1);
        __asm__ volatile(""); /* else GCC at -O2, which is how Debian builds, takes the loop for empty */
    }
}

/* The record is built where it will be read: as long as the head is not stored, nobody looks at that slot, and whatever
 * an abandoned call leaves in it is overwritten by the next. */
static PyObject *
record(BoundRecorder *self, Method *method, PyObject *const *args, Py_ssize_t positional, PyObject *names)
{
    const uint64_t seq = *self->head; /* this process is the only one to store it */
    Call *call = &method->call;
    if (positional != 0 || names == NULL || (names != call->names && resolve(self, call, names) < 0)
        || !has_room(self, seq)) {
        goto pure;
    }
    unsigned char *slot = blank_slot(self, method, seq);
    const Py_ssize_t count = PyTuple_GET_SIZE(names);
    for (Py_ssize_t position = 0; position < count; position++) {
        if (store_value(self, slot, call->fields[position], args[position]) < 0) {
            goto pure;
        }
    }
    if (!is_complete(self, slot)) {
        goto pure;
    }
    PyObject *answer = PyLong_FromUnsignedLongLong(seq); /* may fail, so not after the record is published */
    if (answer != NULL) {
        stamp(self, slot, seq);
        store(self->head, seq + 1);
        fetch_next_slot(self, seq);
    }
    return answer;

pure:
    PyErr_Clear(); /* of a text without UTF-8; the pure recorder finds it again */
    return PyObject_Vectorcall(method->pure, args, (size_t)positional, names);
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
    const Py_ssize_t bytes[] = {self->exec_type_at, self->side_at};
    const Py_ssize_t numbers[] = {self->seq_at, self->captured_at, self->price_at, self->quantity_at};
    int sound = capacity > 0 && (capacity & (capacity - 1)) == 0 && size > 0 && is_inside(slots, 0, length)
                && size <= (length - slots) / capacity && is_inside(head, 8, slots) && is_inside(tail, 8, slots)
                && (uintptr_t)self->memory.buf % 8 == 0 && head % 8 == 0 && tail % 8 == 0;
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
    static const Kind kinds[] = {['f'] = NUMBER, ['i'] = SIGNED, ['u'] = UNSIGNED, ['S'] = TEXT};
    int code;
    Py_ssize_t offset, size;
    PyObject *table, *member;
    if (!PyArg_ParseTuple(description, "CnnOO", &code, &offset, &size, &table, &member)) {
        return -1;
    }
    Field field = {.offset = (uint16_t)offset, .size = (uint8_t)size};
    int sound = self->count < MAX_FIELDS && PyUnicode_CheckExact(name) && is_inside(offset, size, self->record_size)
                && offset <= UINT16_MAX && size <= UINT8_MAX && code < 128 && strchr("fiuS", code) != NULL;
    if (sound && table != Py_None) {
        sound = code == 'u' && size == 1 && add_word(self, &field, table, member) == 0;
    }
    else if (sound) {
        sound = code == 'S' || size == 8;
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
    if (PyBytes_GET_SIZE(record) != self->record_size) {
        PyErr_Format(PyExc_ValueError, "a template has %zd bytes, a record %zd", PyBytes_GET_SIZE(record),
                     self->record_size);
        return -1;
    }
    method->record = Py_NewRef(record);
    method->pure = Py_NewRef(pure);
    method->used = self->record_size;
    while (method->used > 0 && PyBytes_AS_STRING(record)[method->used - 1] == 0) {
        method->used--;
    }
    return 0;
}

static PyObject *
recorder_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"producer", "memory",   "head",   "tail",  "slots", "capacity",   "record_size", "stamps",
                            "complete", "fields",   "float64", "order", "fill",  "pure_order", "pure_fill",   NULL};
    const State *state = PyType_GetModuleState(type);
    PyObject *producer, *memory, *fields, *float64, *templates[METHODS], *pure[METHODS];
    Py_ssize_t head, tail, slots, capacity;
    BoundRecorder *self = (BoundRecorder *)type->tp_alloc(type, 0);
    if (self == NULL
        || !PyArg_ParseTupleAndKeywords(
            args, kwargs, "O!O$nnnnn(nn)(ninnn)O!O!SSOO:BoundRecorder", names, state->append_state, &producer, &memory,
            &head, &tail, &slots, &capacity, &self->record_size, &self->seq_at, &self->captured_at, &self->exec_type_at,
            &self->fill, &self->side_at, &self->price_at, &self->quantity_at, &PyDict_Type, &fields,
            &PyType_Type, &float64, &templates[ORDER], &templates[FILL], &pure[ORDER], &pure[FILL])
        || PyObject_GetBuffer(memory, &self->memory, PyBUF_WRITABLE) < 0
        || check_float(float64) < 0 || check_layout(self, head, tail, slots, capacity) < 0) {
        goto failed;
    }
    self->producer = (AppendState *)Py_NewRef(producer);
    self->float64 = (PyTypeObject *)Py_NewRef(float64);
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

static int
recorder_traverse(BoundRecorder *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->producer);
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
    {"_floor", (PyCFunction)(void (*)(void))recorder_floor, METH_FASTCALL,
     PyDoc_STR("The least that a fill with these values must do; for benchmarks alone, see the source.")},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot recorder_slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("Records usual values of executions; hands on to a pure recorder what is unusual.")},
    {Py_tp_new, recorder_new},
    {Py_tp_traverse, recorder_traverse},
    {Py_tp_dealloc, recorder_dealloc},
    {Py_tp_methods, recorder_methods},
    {0, NULL},
};

static PyType_Spec recorder_spec = {
    .name = "ringbuf._native.BoundRecorder",
    .basicsize = sizeof(BoundRecorder),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = recorder_slots,
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
    State *state = PyModule_GetState(module);
    state->append_state = add_type(module, &append_state_spec);
    PyTypeObject *cursors = add_type(module, &cursors_spec);
    PyTypeObject *heads = add_type(module, &ringbuf_heads_spec);
    PyTypeObject *recorder = add_type(module, &recorder_spec);
    Py_XDECREF(cursors); /* the module has them */
    Py_XDECREF(heads);
    Py_XDECREF(recorder);
    return state->append_state != NULL && cursors != NULL && heads != NULL && recorder != NULL ? 0 : -1;
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
    .m_name = "ringbuf._native",
    .m_doc = PyDoc_STR("The native core; see ringbuf.native."),
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
