/*
 * Inside the json library: what the scanner saw, so that the parser can prove
 * that json-c made the same of it.
 */
#ifndef DA_JSON_SCAN_H
#define DA_JSON_SCAN_H

#include <stddef.h>

#include "core/attr.h"
#include "core/buf.h"
#include "core/diag.h"
#include "core/err.h"

struct da_scan_totals {
	size_t members;  /* members of objects and elements of arrays */
	size_t text_len; /* bytes of all keys and texts, escapes resolved */
	size_t pairs;    /* surrogate pairs written as escapes */
};

/* da_json_scan() that also tells the totals of a document it accepts. */
enum da_err da_scan_document(const void *bytes, size_t len,
    struct da_scan_totals *ret, struct da_diag *diag) DA_MUST_CHECK;

/* Copies a document that was accepted, with UTF-8 in place of its escaped
 * surrogate pairs. da_buf's errors. */
enum da_err da_scan_expand_pairs(
    const void *bytes, size_t len, struct da_buf *ret) DA_MUST_CHECK;

#endif
