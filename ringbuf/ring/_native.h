/* What the parts of the native core share; _native.c says what they are. */

#ifndef RINGBUF_NATIVE_H
#define RINGBUF_NATIVE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <structmember.h>

#include <stdint.h>
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

/* What every append looks at first. */
typedef struct {
    PyObject_HEAD
    unsigned long long limit;
    unsigned long long clear_below;
    char busy;
} AppendState;

/* Of the module. */
typedef struct {
    PyTypeObject *append_state;
} State;

#pragma GCC visibility push(hidden)
extern PyType_Spec ringbuf_heads_spec, ringbuf_lock_spec, ringbuf_recorder_spec;
#pragma GCC visibility pop

#endif
