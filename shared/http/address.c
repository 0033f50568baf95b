#include "http/address.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <resolv.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

enum verdict {
	NEVER,
	LOCAL,    /* with allow_loopback only */
	EMBEDDED, /* as the IPv4 address inside */
};

struct rule {
	uint8_t net[16];
	unsigned int bits;
	enum verdict verdict;
	size_t offset; /* EMBEDDED: where the IPv4 address stands */
};

/* The first rule that fits decides; an address that fits none is allowed. */
static const struct rule v4_rules[] = {
    {{0}, 8, NEVER, 0}, /* 0.0.0.0: Linux connects it to this host */
    {{127}, 8, LOCAL, 0},
    {{169, 254, 169, 254}, 32, NEVER, 0}, /* metadata of most clouds */
    {{169, 254}, 16, LOCAL, 0},
    {{100, 100, 100, 200}, 32, NEVER, 0}, /* Alibaba's metadata */
    {{168, 63, 129, 16}, 32, NEVER, 0},   /* Azure's host */
    {{224}, 3, NEVER, 0},                 /* multicast and reserved */
};

static const struct rule v6_rules[] = {
    {{0}, 128, NEVER, 0}, {{[15] = 1}, 128, LOCAL, 0},
    {{0xfd, 0, 0x0e, 0xc2, [14] = 2, 0x54}, 128, NEVER, 0}, /* EC2 */
    {{0xfd, 0x20, 0, 0xce, [14] = 2, 0x54}, 128, NEVER, 0}, /* Google */
    {{0xfe, 0x80}, 10, LOCAL, 0}, {{0xff}, 8, NEVER, 0},
    {{[10] = 0xff, 0xff}, 96, EMBEDDED, 12},   /* mapped */
    {{0}, 96, EMBEDDED, 12},                   /* RFC 4291 2.5.5.1 */
    {{0, 0x64, 0xff, 0x9b}, 96, EMBEDDED, 12}, /* NAT64, RFC 6052 */
    {{0x20, 0x02}, 16, EMBEDDED, 2},           /* 6to4, RFC 3056 */
};

static bool
fits(const struct rule *rule, const uint8_t *address)
{
	size_t whole = rule->bits / 8;
	unsigned int rest = rule->bits % 8;

	if (memcmp(rule->net, address, whole) != 0)
		return false;
	return rest == 0 ||
	    ((rule->net[whole] ^ address[whole]) >> (8 - rest)) == 0;
}

static bool
is_v4_allowed(const uint8_t *address, bool allow_loopback)
{
	for (size_t i = 0; i < DA_ARRAY_LEN(v4_rules); i++) {
		if (fits(&v4_rules[i], address))
			return v4_rules[i].verdict == LOCAL && allow_loopback;
	}
	return true;
}

static bool
is_v6_allowed(const uint8_t *address, bool allow_loopback)
{
	for (size_t i = 0; i < DA_ARRAY_LEN(v6_rules); i++) {
		const struct rule *rule = &v6_rules[i];

		if (!fits(rule, address))
			continue;
		if (rule->verdict == EMBEDDED)
			return is_v4_allowed(
			    address + rule->offset, allow_loopback);
		return rule->verdict == LOCAL && allow_loopback;
	}
	return true;
}

bool
da_address_is_allowed(const struct sockaddr *address, bool allow_loopback)
{
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;

	switch (address->sa_family) {
	case AF_INET:
		memcpy(&v4, address, sizeof(v4));
		return is_v4_allowed(
		    (const uint8_t *)&v4.sin_addr, allow_loopback);
	case AF_INET6:
		memcpy(&v6, address, sizeof(v6));
		return is_v6_allowed(v6.sin6_addr.s6_addr, allow_loopback);
	default:
		return false;
	}
}

enum da_err
da_address_setup(void)
{
	if (res_ninit(&_res) != 0)
		return DA_E_SYS;
	if (_res.retrans > DA_ADDRESS_RETRY_S)
		_res.retrans = DA_ADDRESS_RETRY_S;
	if (_res.retry > DA_ADDRESS_TRIES)
		_res.retry = DA_ADDRESS_TRIES;
	return DA_OK;
}

static const char *
lookup_reason(int code)
{
	switch (code) {
	case EAI_NONAME:
	case EAI_NODATA:
	case EAI_ADDRFAMILY:
		return "name not found";
	case EAI_AGAIN:
		return "no answer from the name servers";
	default:
		return "name lookup failed";
	}
}

/* Appends one address as curl wants it; false when the list is full. */
static bool
list_add(char *list, const struct sockaddr *address)
{
	size_t used = strlen(list);
	char text[INET6_ADDRSTRLEN];
	bool is_v6 = address->sa_family == AF_INET6;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
	const void *bytes = &v4.sin_addr;
	int n;

	if (is_v6) {
		memcpy(&v6, address, sizeof(v6));
		bytes = &v6.sin6_addr;
	} else {
		memcpy(&v4, address, sizeof(v4));
	}
	if (inet_ntop(address->sa_family, bytes, text, sizeof(text)) == NULL)
		return false;
	n = snprintf(list + used, DA_ADDRESS_LIST_MAX + 1 - used, "%s%s%s%s",
	    used > 0 ? "," : "", is_v6 ? "[" : "", text, is_v6 ? "]" : "");
	return n > 0 && (size_t)n <= DA_ADDRESS_LIST_MAX - used;
}

enum da_err
da_address_lookup(const char *host, bool allow_loopback,
    char ret_list[static DA_ADDRESS_LIST_MAX + 1], struct da_diag *reason)
{
	struct addrinfo hints = {
	    .ai_family = AF_UNSPEC,
	    .ai_socktype = SOCK_STREAM,
	    .ai_protocol = IPPROTO_TCP,
	};
	struct addrinfo *found = NULL;
	size_t taken[2] = {0, 0};
	bool is_local = false;
	char list[DA_ADDRESS_LIST_MAX + 1] = "";
	int code = getaddrinfo(host, NULL, &hints, &found);

	if (code != 0) {
		da_diag_set(reason, "%s", lookup_reason(code));
		return DA_E_UNREACHABLE;
	}
	for (struct addrinfo *a = found; a != NULL; a = a->ai_next) {
		size_t *count = &taken[a->ai_family == AF_INET6];

		if (*count < DA_ADDRESS_FAMILY_MAX &&
		    da_address_is_allowed(a->ai_addr, allow_loopback) &&
		    list_add(list, a->ai_addr))
			(*count)++;
		is_local = is_local || da_address_is_allowed(a->ai_addr, true);
	}
	freeaddrinfo(found);
	if (list[0] == '\0') {
		da_diag_set(reason,
		    "the name leads to an address that is not "
		    "allowed");
		da_diag_hint(
		    reason, "%s", is_local ? "see allow_loopback" : "");
		return DA_E_UNREACHABLE;
	}
	memcpy(ret_list, list, sizeof(list));
	return DA_OK;
}
