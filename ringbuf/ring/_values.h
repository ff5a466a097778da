/* BoundRecorder: one usual value into its field, for _recorder.c alone. What is not usual is left to pure Python. */

#ifndef RINGBUF_VALUES_H
#define RINGBUF_VALUES_H

#include "_recorder.h"

#include <string.h>

/* A record writes into the rear of its slot, which the next one in that slot has to clear, as this one if it is made
 * anew. */
static inline void
mark_dirty(const BoundRecorder *self, uint64_t seq)
{
    AppendState *producer = self->producer;
    const uint64_t clear_below = seq + self->capacity + 1;
    producer->clear_below = producer->clear_below < clear_below ? clear_below : producer->clear_below;
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

/* Plain decimal text of up to 15 significant digits. Of those every f64 gives back the text that it was made of, so none
 * has to be kept beside it; and both numbers of the one division or multiplication are exact, so it rounds as strtod does
 * (W. D. Clinger, How to Read Floating Point Numbers Accurately, 1990). All else is left to pure Python. */
static inline int
store_decimal(unsigned char *at, const char *text, Py_ssize_t size)
{
    static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,
                                    1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19};
    const uint64_t exact = 1000000000000000;
    enum { MOST = 19 }; /* digits of which any fit into 64 bits */
    const char *const end = text + size, *point = NULL;
    const int is_negative = size > 0 && *text == '-';
    text += is_negative;
    if (end - text > MOST + 1) {
        return -1;
    }
    const Py_ssize_t length = end - text;
    uint64_t digits = 0;
    for (; text < end; text++) {
        const unsigned value = (unsigned)(unsigned char)*text - '0';
        if (value < 10) {
            digits = digits * 10 + value;
        }
        else if (*text == '.' && point == NULL) {
            point = text;
        }
        else {
            return -1;
        }
    }
    const Py_ssize_t count = length - (point != NULL);
    Py_ssize_t decimals = point == NULL ? 0 : end - point - 1;
    if (count < 1 || count > MOST) {
        return -1;
    }
    for (; digits >= exact; decimals--) { /* the zeros at its end are no significant digits */
        if (digits % 10 != 0) {
            return -1;
        }
        digits /= 10;
    }
    double number = decimals < 0 ? (double)digits * powers[-decimals] : (double)digits / powers[decimals];
    number = is_negative ? -number : number;
    memcpy(at, &number, sizeof number);
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
    else if (PyUnicode_CheckExact(value) && PyUnicode_IS_COMPACT_ASCII(value)) {
        return store_decimal(at, (const char *)PyUnicode_1BYTE_DATA(value), PyUnicode_GET_LENGTH(value));
    }
    else if (PyBytes_CheckExact(value)) {
        return store_decimal(at, PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value));
    }
    else {
        return -1;
    }
    memcpy(at, &number, sizeof number);
    return 0;
}

static inline int
store_integer(unsigned char *at, PyObject *value)
{
    int overflow;
    if (!PyLong_CheckExact(value)) {
        return -1;
    }
    long long integer = PyLong_AsLongLongAndOverflow(value, &overflow);
    if (overflow || integer < 0) {
        return -1;
    }
    memcpy(at, &integer, sizeof integer);
    return 0;
}

/* Answers 1 if the number may be another unit than ns. */
static inline int
store_time(const BoundRecorder *self, unsigned char *at, PyObject *value)
{
    int overflow;
    if (!PyLong_CheckExact(value)) {
        return -1;
    }
    long long ns = PyLong_AsLongLongAndOverflow(value, &overflow);
    if (overflow) {
        return -1;
    }
    memcpy(at, &ns, sizeof ns);
    return ns >= self->unclear_from && ns < self->unclear_to;
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

/* Answers -1 if the value is not usual, 1 if that depends on the record's origin. */
static inline int
store_value(BoundRecorder *self, unsigned char *slot, Field field, PyObject *value, uint64_t seq)
{
    unsigned char *at = slot + field.offset;
    if (value == Py_None) {
        return 0; /* as if it were not given */
    }
    if (field.offset >= self->rear) {
        mark_dirty(self, seq);
    }
    switch ((Kind)field.kind) {
    case WORD:
        return store_word(at, &self->words[field.index], value);
    case NUMBER:
        return store_number(self, at, value);
    case TIME:
        return store_time(self, at, value);
    case UNSIGNED:
        return store_integer(at, value);
    case TEXT:
        return store_text(at, field.size, value);
    case BOUND:
        return 0; /* it was said when the recorder was bound */
    }
    Py_UNREACHABLE();
}

#endif
