/*
 * Included ahead of everything where helgrind watches. It knows the locks of
 * pthreads but not the atomic operations of C: what another thread did before
 * it stored a word, and what the thread that loads the word does after, look
 * like a race. So each operation says here what it means.
 *
 * The words themselves are not looked at: to load and store them at the same
 * time is what atomic words are for. ThreadSanitizer, which knows the orders
 * that are asked for, looks at those; here they are all the strongest.
 */
#ifndef DA_TESTS_HELGRIND_H
#define DA_TESTS_HELGRIND_H

#include <valgrind/helgrind.h>

#define DA_HG_BEFORE(p)                                                        \
	do {                                                                   \
		VALGRIND_HG_DISABLE_CHECKING(p, sizeof(*(p)));                 \
		ANNOTATE_HAPPENS_BEFORE(p);                                    \
	} while (0)
#define DA_HG_AFTER(p)                                                         \
	do {                                                                   \
		VALGRIND_HG_DISABLE_CHECKING(p, sizeof(*(p)));                 \
		ANNOTATE_HAPPENS_AFTER(p);                                     \
	} while (0)

/* What both takes over and hands over. */
#define DA_HG_VALUE(builtin, p, ...)                                           \
	({                                                                     \
		DA_HG_BEFORE(p);                                               \
		__auto_type da_hg_value = builtin(p, __VA_ARGS__);             \
		DA_HG_AFTER(p);                                                \
		da_hg_value;                                                   \
	})

#define __atomic_load_n(p, order)                                              \
	({                                                                     \
		__auto_type da_hg_value = (__atomic_load_n)(p, order);         \
		DA_HG_AFTER(p);                                                \
		da_hg_value;                                                   \
	})
#define __atomic_load(p, ret, order)                                           \
	({                                                                     \
		(__atomic_load)(p, ret, order);                                \
		DA_HG_AFTER(p);                                                \
	})
#define __atomic_store_n(p, ...)                                               \
	({                                                                     \
		DA_HG_BEFORE(p);                                               \
		(__atomic_store_n)(p, __VA_ARGS__);                            \
	})
#define __atomic_store(p, ...)                                                 \
	({                                                                     \
		DA_HG_BEFORE(p);                                               \
		(__atomic_store)(p, __VA_ARGS__);                              \
	})
#define __atomic_exchange_n(p, ...)                                            \
	DA_HG_VALUE((__atomic_exchange_n), p, __VA_ARGS__)
#define __atomic_compare_exchange(p, ...)                                      \
	DA_HG_VALUE((__atomic_compare_exchange), p, __VA_ARGS__)
#define __atomic_fetch_add(p, ...)                                             \
	DA_HG_VALUE((__atomic_fetch_add), p, __VA_ARGS__)
#define __atomic_fetch_sub(p, ...)                                             \
	DA_HG_VALUE((__atomic_fetch_sub), p, __VA_ARGS__)
#define __atomic_add_fetch(p, ...)                                             \
	DA_HG_VALUE((__atomic_add_fetch), p, __VA_ARGS__)

#endif
