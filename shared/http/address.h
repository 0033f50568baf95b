/*
 * Which addresses a request may go to, and the lookup of names.
 *
 * A name server, or a provider that was taken over, could point a login at
 * services of this host or at a cloud's metadata service (attack H8: "the
 * answer flips to 127.0.0.1 / 169.254.169.254"). So every address is checked
 * when the name is looked up and once more when the socket is made.
 */
#ifndef DA_HTTP_ADDRESS_H
#define DA_HTTP_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>

#include "core/attr.h"
#include "core/diag.h"
#include "core/err.h"

struct sockaddr;

/* Of each family: enough for round-robin names, few enough that a hundred dead
 * addresses do not eat the deadline (H8). */
#define DA_ADDRESS_FAMILY_MAX 4
/* Text form of all of them with brackets and commas. */
#define DA_ADDRESS_LIST_MAX (2 * DA_ADDRESS_FAMILY_MAX * 48)

/* Whether a connection to the address is allowed. Loopback and link-local
 * addresses are only with "allow_loopback"; unspecified, multicast, reserved
 * and cloud metadata addresses never are. IPv4 inside IPv6 (mapped, NAT64,
 * 6to4) is judged by the IPv4 address. */
bool da_address_is_allowed(const struct sockaddr *address, bool allow_loopback);

/* Seconds to the first retry of a question to a name server, and questions in
 * all: 2 + 4 s for one that is dead, where glibc would take 5 + 5 (H8). */
#define DA_ADDRESS_RETRY_S 2
#define DA_ADDRESS_TRIES 2

/* Lowers the system resolver's patience to the above, for this process.
 * DA_E_SYS. */
enum da_err da_address_setup(void) DA_MUST_CHECK;

/* Looks a host name or literal address up and writes the allowed addresses as
 * "192.0.2.1,[2001:db8::1]". Blocks as long as the system's resolver does;
 * starts no thread. DA_E_UNREACHABLE with a phrase of ours in "reason". */
enum da_err da_address_lookup(const char *host, bool allow_loopback,
    char ret_list[static DA_ADDRESS_LIST_MAX + 1],
    struct da_diag *reason) DA_MUST_CHECK;

#endif
