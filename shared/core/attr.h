/*
 * Compiler attributes and ownership helpers used by every layer.
 *
 * DA_MUST_CHECK marks a function whose result may not be dropped.
 * DA_CLEANUP(fn) runs fn(&variable) when the variable leaves its scope; the
 * destructors named there accept NULL and half-built objects.
 * DA_IGNORE(call) drops it all the same, where that is right.
 * DA_UNSET variable; is not zeroed first: for what is large, in a lookup of
 * some nanoseconds, and filled by the next call. A DA_FLAT function has all
 * that it calls inside itself, but not what is DA_APART. DA_TAKE(p) hands an
 * owned pointer on and leaves NULL behind.
 */
#ifndef DA_CORE_ATTR_H
#define DA_CORE_ATTR_H

#include <stddef.h>

#define DA_MUST_CHECK __attribute__((warn_unused_result))
#define DA_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define DA_CLEANUP(fn) __attribute__((cleanup(fn)))
#define DA_EXPORT __attribute__((visibility("default")))
#define DA_UNUSED __attribute__((unused))
#define DA_UNSET __attribute__((uninitialized))
#define DA_FLAT __attribute__((flatten))
#define DA_APART __attribute__((noinline))

#define DA_TAKE(p)                                                             \
	({                                                                     \
		__typeof__(p) da_taken_ = (p);                                 \
		(p) = NULL;                                                    \
		da_taken_;                                                     \
	})

/* Drops a result on purpose; the reason stands beside it. */
#define DA_IGNORE(call)                                                        \
	do {                                                                   \
		__typeof__(call) da_ignored_ = (call);                         \
		(void)da_ignored_;                                             \
	} while (0)

#define DA_ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#endif
