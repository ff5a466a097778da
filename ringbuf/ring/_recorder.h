/* BoundRecorder: what its making (_recorder_new.c) leaves for its calls (_recorder.c). */

#ifndef RINGBUF_RECORDER_H
#define RINGBUF_RECORDER_H

#include "_native.h"

enum { ORDER, FILL, METHODS };
enum { MAX_FIELDS = 64, MAX_WORDS = 16, ADDRESSES = 256, SEEN = 16 };

typedef enum { WORD, NUMBER, TIME, UNSIGNED, TEXT, BOUND } Kind; /* BOUND: never of a call, an update may have it */

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
    Py_ssize_t rear; /* byte from which on nearly all records are zero */
    Py_ssize_t seq_at, captured_at, exec_type_at, side_at, price_at, quantity_at;
    Py_ssize_t origin_at;
    int fill, simulated;
    long long unclear_from, unclear_to; /* times that may be s, ms or us, but in simulated records */
    PyTypeObject *float64; /* numpy's, a subclass of float */
    Method methods[METHODS];
    PyObject *pure_order_of;
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

#pragma GCC visibility push(hidden)
PyObject *ringbuf_recorder_new(PyTypeObject *type, PyObject *args, PyObject *kwargs);
#pragma GCC visibility pop

#endif
