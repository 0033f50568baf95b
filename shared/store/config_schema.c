/*
 * Every key of devauth.conf. The help texts become comments of
 * "devauth config dump --explain" and of the sample file.
 */
#include "store/config_schema.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "account/account.h"
#include "core/algorithm.h"
#include "core/attr.h"
#include "core/limits.h"
#include "store/config.h"

static const struct da_config_choice remote_choices[] = {
    {"publickey-first", DA_REMOTE_PUBLICKEY_FIRST},
    {"allow", DA_REMOTE_ALLOW},
    {"deny", DA_REMOTE_DENY},
    {NULL, 0},
};

static const struct da_config_choice client_auth_choices[] = {
    {"none", DA_CLIENT_NONE},
    {"client_secret_basic", DA_CLIENT_SECRET_BASIC},
    {"client_secret_post", DA_CLIENT_SECRET_POST},
    {"private_key_jwt", DA_CLIENT_PRIVATE_KEY_JWT},
    {NULL, 0},
};

static const struct da_config_choice audience_choices[] = {
    {"endpoint", false},
    {"issuer", true},
    {NULL, 0},
};

static const struct da_config_choice binding_choices[] = {
    {"sealed", DA_BINDING_SEALED},
    {"prefer-dpop", DA_BINDING_PREFER_DPOP},
    {"require-dpop", DA_BINDING_REQUIRE_DPOP},
    {NULL, 0},
};

static const struct da_config_choice check_choices[] = {
    {"refresh", DA_CHECK_REFRESH},
    {"userinfo", DA_CHECK_USERINFO},
    {"introspection", DA_CHECK_INTROSPECTION},
    {NULL, 0},
};

static const struct da_config_choice revoked_choices[] = {
    {"keep", DA_REVOKED_KEEP},
    {"lock", DA_REVOKED_LOCK},
    {"terminate", DA_REVOKED_TERMINATE},
    {NULL, 0},
};

static const struct da_config_choice reauth_choices[] = {
    {"always", DA_REAUTH_ALWAYS},
    {"provider", DA_REAUTH_PROVIDER},
    {"session", DA_REAUTH_SESSION},
    {"never", DA_REAUTH_NEVER},
    {NULL, 0},
};

static const struct da_config_choice algorithm_choices[] = {
    {"RS256", DA_JOSE_ALG_RS256},
    {"PS256", DA_JOSE_ALG_PS256},
    {"ES256", DA_JOSE_ALG_ES256},
    {"ES384", DA_JOSE_ALG_ES384},
    {"EdDSA", DA_JOSE_ALG_EDDSA},
    {NULL, 0},
};

#define GLOBAL(member) offsetof(struct da_config, member)
#define PROFILE(member) offsetof(struct da_profile, member)

/* Profiles and services ask for the same. */
#define ACCESS(section, help_users, help_groups)                               \
	{"allowed_users", DA_CONFIG_LIST,                                      \
	    offsetof(struct section, access.users), "", 0, DA_USER_MAX, NULL,  \
	    help_users},                                                       \
	    {"allowed_groups", DA_CONFIG_LIST,                                 \
		offsetof(struct section, access.groups), "", 0, DA_GROUP_MAX,  \
		NULL, help_groups},                                            \
	{                                                                      \
		"required_claims", DA_CONFIG_LIST,                             \
		    offsetof(struct section, access.claims), "", 0,            \
		    DA_CLAIM_MAX, NULL, help_claims                            \
	}

static const char help_users[] =
    "Login names that may log in. A person needs to be in one of the two\n"
    "lists, this and allowed_groups. One of the two keys has to be here; with\n"
    "both lists empty nobody may log in.";
static const char help_groups[] =
    "Groups, by the provider's id, whose members may log in.";
static const char help_service_users[] =
    "Login names that may use the service. With this key or allowed_groups a\n"
    "person needs to be in one of the two lists, and an empty list allows\n"
    "nobody; with neither key everybody may whom the profile lets in.";
static const char help_service_groups[] =
    "Groups, by the provider's id, whose members may use the service.";
static const char help_scope[] =
    "The profile whose groups and claims these are. Needed only when there "
    "are\n"
    "profiles of several issuers.";
static const char help_claims[] =
    "Claims that a person must have besides: role=operator|admin means "
    "that\n"
    "\"role\" is, or lists, one of the two. All of them have to hold.";

static const struct da_config_row global_rows[] = {
    {"default_profile", DA_CONFIG_WORD, GLOBAL(default_profile), "", 0,
	DA_PROFILE_MAX, NULL,
	"The profile for logins whose PAM line names none. Needed only when\n"
	"there are several profiles."},
    {"remote", DA_CONFIG_CHOICE, GLOBAL(remote), "publickey-first", 0, 0,
	remote_choices,
	"Who may start a sign-in over SSH.\n"
	"  publickey-first  only after sshd has checked a key of the account\n"
	"                   (AuthenticationMethods "
	"publickey,keyboard-interactive):\n"
	"                   a stranger cannot make this host send codes\n"
	"  allow            anybody who can reach sshd\n"
	"  deny             nobody; console and sudo only"},
    {"login_deadline", DA_CONFIG_SPAN, GLOBAL(login_deadline_s), "110s", 20,
	DA_LOGIN_DEADLINE_MAX_S, NULL,
	"How long a person has to approve. Keep it below sshd's "
	"LoginGraceTime\n"
	"(120s on Debian). At the console login(1) itself gives up after 60s, "
	"so\n"
	"there 55s is the most."},
    {"account_max_age", DA_CONFIG_SPAN, GLOBAL(account_max_age_s), "30d", 60,
	3660 * 86400L, NULL,
	"How long after a sign-in other methods, SSH keys for instance, go on\n"
	"working without a new one."},
    {"home", DA_CONFIG_PATH, GLOBAL(home), "/home/%u", 2, 200, NULL,
	"Home folder of people; %u is the login name. A change reaches those\n"
	"who have what was configured before with \"devauth config apply\".\n"
	"Files are not moved."},
    {"shell", DA_CONFIG_PATH, GLOBAL(shell), "/bin/bash", 2, 200, NULL,
	"Shell of people, one that /etc/shells lists. A change reaches them "
	"as\n"
	"that of home does."},
    {"enumerate", DA_CONFIG_BOOL, GLOBAL(enumerate), "no", 0, 0, NULL,
	"Say yes to let getent passwd list everybody who has logged in here."},
    {"sshd_shows_text_at_once", DA_CONFIG_BOOL, GLOBAL(sshd_shows_text_at_once),
	"no", 0, 0, NULL,
	"Say yes when sshd is OpenSSH 10.3 or later: it shows the code without "
	"a\n"
	"prompt, so nobody has to press Enter."},
};

const struct da_config_kind da_config_global = {
    .rows = global_rows,
    .row_count = DA_ARRAY_LEN(global_rows),
};

static const struct da_config_row profile_rows[] = {
    {"issuer", DA_CONFIG_HTTPS, PROFILE(issuer), NULL, 1, DA_ISSUER_MAX, NULL,
	"The provider's issuer, exactly as its discovery document spells it."},
    {"client_id", DA_CONFIG_TEXT, PROFILE(client_id), NULL, 1, DA_CLAIM_MAX,
	NULL, "The client that was registered for these hosts."},
    {"client_auth", DA_CONFIG_CHOICE, PROFILE(client_auth), "none", 0, 0,
	client_auth_choices,
	"How the client proves itself: none, client_secret_basic,\n"
	"client_secret_post, or private_key_jwt: with the host's own key, "
	"whose\n"
	"public half \"devauth keys show\" prints for the provider to "
	"register. No\n"
	"secret is shared between hosts then."},
    {"client_secret_file", DA_CONFIG_PATH, PROFILE(client_secret_file), "", 0,
	DA_URI_MAX, NULL,
	"File with the client secret, owned by root, mode 0600. The secret "
	"itself\n"
	"never stands in this file, which everybody may read."},
    {"client_secret_raw", DA_CONFIG_BOOL, PROFILE(client_secret_raw), "no", 0,
	0, NULL,
	"Say yes for a provider that wants client_secret_basic without the\n"
	"form-encoding of RFC 6749 2.3.1."},
    {"assertion_audience", DA_CONFIG_CHOICE, PROFILE(assertion_for_issuer),
	"endpoint", 0, 0, audience_choices,
	"Whom private_key_jwt addresses: the endpoint that is called, which "
	"works\n"
	"most widely, or the issuer, which newer providers want."},
    {"binding", DA_CONFIG_CHOICE, PROFILE(binding), "sealed", 0, 0,
	binding_choices,
	"How tokens are tied to this host.\n"
	"  sealed        by encryption on this host\n"
	"  prefer-dpop   at the provider, too, where it offers DPoP (RFC "
	"9449)\n"
	"  require-dpop  the same, or nobody gets in"},
    {"provider_check", DA_CONFIG_CHOICE, PROFILE(provider_check), "refresh", 0,
	0, check_choices,
	"What proves that a person is still welcome: refresh (the provider "
	"renews\n"
	"the tokens), userinfo (and answers about the person with them, which "
	"brings\n"
	"fresh groups), or introspection. Some providers go on refreshing for "
	"people\n"
	"who are disabled: try it."},
    {"refresh_margin", DA_CONFIG_SPAN, PROFILE(refresh_margin_s), "5min", 60,
	30 * 86400L, NULL,
	"Sessions renew their tokens this long before they expire, and not "
	"before\n"
	"half of their life is over."},
    {"on_revoked", DA_CONFIG_CHOICE, PROFILE(on_revoked), "keep", 0, 0,
	revoked_choices,
	"What follows when the provider does not renew a session's tokens any "
	"more.\n"
	"  keep       the tokens are forgotten; the session goes on\n"
	"  lock       and the person has to sign in again before anything "
	"else\n"
	"             works: SSH keys and sudo are refused until then\n"
	"  terminate  and every process of the session is ended"},
    {"scope", DA_CONFIG_TEXT, PROFILE(scope), "openid profile email", 1,
	DA_DIAG_MAX, NULL,
	"Scopes to ask for, separated by spaces. Many providers give a "
	"refresh\n"
	"token only for offline_access; without one, sudo with reauth = "
	"provider\n"
	"wants a new sign-in once the access token is over, or at once."},
    {"ca_file", DA_CONFIG_PATH, PROFILE(ca_file), "", 0, DA_URI_MAX, NULL,
	"Trust only the CA certificates in this PEM file (root, not writable "
	"by\n"
	"others). Empty: the system's, /etc/ssl/certs."},
    {"endpoint_hosts", DA_CONFIG_LIST, PROFILE(endpoint_hosts), "", 0,
	DA_HOST_MAX, NULL,
	"Further hosts that the provider's endpoints may be on. Endpoints on "
	"the\n"
	"issuer's own host are always fine."},
    {"allow_loopback", DA_CONFIG_BOOL, PROFILE(allow_loopback), "no", 0, 0,
	NULL,
	"Say yes when the provider runs on this very host. Otherwise addresses "
	"of\n"
	"the host itself and link-local ones are refused, whatever DNS says."},
    {"send_device_name", DA_CONFIG_BOOL, PROFILE(send_device_name), "yes", 0, 0,
	NULL,
	"Send host, account and source as the extra parameter device_name, so "
	"that\n"
	"a provider that knows it can show them before the person approves."},
    {"min_interval", DA_CONFIG_SPAN, PROFILE(min_interval_s), "5s",
	DA_INTERVAL_FLOOR_S, DA_INTERVAL_MAX_S, NULL,
	"Never poll more often than this, even if the provider would allow "
	"it."},
    {"request_timeout", DA_CONFIG_SPAN, PROFILE(request_timeout_s), "10s", 1,
	60, NULL, "Give up on a single request after this time."},
    {"algorithms", DA_CONFIG_FLAGS, PROFILE(algorithms),
	"RS256 PS256 ES256 ES384 EdDSA", 0, 0, algorithm_choices,
	"Signature algorithms that an ID token may use."},
    {"username_claim", DA_CONFIG_LIST, PROFILE(username_claim),
	"preferred_username", 1, DA_GROUP_MAX, NULL,
	"The claim that names the person. With several, the first one that "
	"the ID\n"
	"token has (or, if it has none of them, userinfo). It is lower-cased "
	"and has\n"
	"to equal the name that the person logs in as. \"email\" counts only "
	"when the\n"
	"provider has verified it."},
    {"strip_domains", DA_CONFIG_LIST, PROFILE(strip_domains), "", 0,
	DA_HOST_MAX, NULL,
	"Domains that are cut off that claim: with example.com listed,\n"
	"alice@example.com is alice. Any other domain is refused."},
    {"groups_claim", DA_CONFIG_WORD, PROFILE(groups_claim), "groups", 0,
	DA_GROUP_MAX, NULL, "The claim that lists a person's groups."},
    ACCESS(da_profile, help_users, help_groups),
};

/* It has the most. */
static_assert(DA_ARRAY_LEN(profile_rows) <= DA_CONFIG_KEYS_MAX,
    "raise DA_CONFIG_KEYS_MAX");

#define SCOPE(section)                                                         \
	{                                                                      \
		"profile", DA_CONFIG_WORD, offsetof(struct section, profile),  \
		    "", 0, DA_PROFILE_MAX, NULL, help_scope                    \
	}

#define SERVICE(member) offsetof(struct da_service, member)

static const struct da_config_row service_rows[] = {
    SCOPE(da_service),
    ACCESS(da_service, help_service_users, help_service_groups),
    {"reauth", DA_CONFIG_CHOICE, SERVICE(reauth), "always", 0, 0,
	reauth_choices,
	"For sudo and su: when somebody who has signed in for this session "
	"signs in\n"
	"again.\n"
	"  always    each time\n"
	"  provider  reauth_max_age after the last sign-in or check the "
	"provider is\n"
	"            asked whether the person is still welcome; nobody "
	"approves,\n"
	"            but without a terminal it is refused\n"
	"  session   reauth_max_age after the last sign-in\n"
	"  never     not in this session\n"
	"All but always let any program that runs as the person use sudo by "
	"itself."},
    {"reauth_max_age", DA_CONFIG_SPAN, SERVICE(reauth_max_age_s), "15min", 0,
	30 * 86400L, NULL, "How long a sign-in or a check counts, see reauth."},
    {"acr", DA_CONFIG_LIST, SERVICE(acr), "", 0, DA_CLAIM_MAX, NULL,
	"Authentication contexts of the provider, one of which the sign-in "
	"must\n"
	"have (claim acr); they are asked for as acr_values."},
    {"amr", DA_CONFIG_LIST, SERVICE(amr), "", 0, DA_GROUP_MAX, NULL,
	"Methods that must have been used for the sign-in, all of them (claim "
	"amr),\n"
	"such as mfa or hwk. The provider is not asked for them; what it can "
	"be asked\n"
	"for is acr."},
    {"max_age", DA_CONFIG_SPAN, SERVICE(max_age_s), "0s", 0, 366 * 86400L, NULL,
	"How long ago the person may have signed in at the provider (claim\n"
	"auth_time), who is asked for it as max_age. 0: any time."},
};

static const struct da_config_row account_rows[] = {
    {"profile", DA_CONFIG_WORD, offsetof(struct da_mapping, profile), "", 0,
	DA_PROFILE_MAX, NULL,
	"The profile whose people these are. Needed only for \"people\", and "
	"when\n"
	"there are profiles of several issuers."},
    {"people", DA_CONFIG_LIST, offsetof(struct da_mapping, people), "", 1,
	DA_USER_MAX, NULL,
	"Login names of the people who may log in as this account, which may "
	"be a\n"
	"local one: they type its name and sign in as themselves. Nobody else "
	"may.\n"
	"Not for root, whose people are listed under subjects."},
    {"subjects", DA_CONFIG_LIST, offsetof(struct da_mapping, subjects), "", 1,
	DA_ISSUER_MAX + 1 + DA_SUBJECT_MAX, NULL,
	"The same by identity, ISSUER#SUBJECT: holds whatever the provider's "
	"names\n"
	"become."},
};

static const struct da_config_row group_rows[] = {
    {"gid", DA_CONFIG_NUMBER, offsetof(struct da_group_rule, gid), "", 1000,
	INT32_MAX, NULL,
	"The number of the group, the same on every host: 1000-60000 or\n"
	"65536-2147483647."},
    {"local", DA_CONFIG_BOOL, offsetof(struct da_group_rule, local), "no", 0, 0,
	NULL,
	"Say yes, and give no gid, to put people into a group that this host "
	"has\n"
	"already, like sudo."},
    SCOPE(da_group_rule),
    {"from", DA_CONFIG_LIST, offsetof(struct da_group_rule, from), NULL, 1,
	DA_GROUP_MAX, NULL,
	"Groups, by the provider's id, whose members are members of this one. "
	"What\n"
	"the provider changes takes effect at the next sign-in."},
};

static bool
is_word_name(const char *name, size_t max, const char *characters)
{
	size_t len = strspn(name, characters);

	return len > 0 && len <= max && name[len] == '\0';
}

static bool
is_profile_name(const char *name)
{
	return is_word_name(
	    name, DA_PROFILE_MAX, "abcdefghijklmnopqrstuvwxyz0123456789-_");
}

/* The name of a file in /etc/pam.d. */
static bool
is_service_name(const char *name)
{
	return is_word_name(name, DA_SERVICE_MAX,
		   "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
		   "0123456789-_.") &&
	    name[0] != '.';
}

static bool
is_account_name(const char *name)
{
	return da_account_name_check(name) == DA_OK;
}

#define KIND(                                                                  \
    prefix_, rows_, member, count_member, is_name_, rule_, else_, help_)       \
	{                                                                      \
		.prefix = (prefix_), .help = (help_), .rows = (rows_),         \
		.row_count = DA_ARRAY_LEN(rows_),                              \
		.array_offset = offsetof(struct da_config, member),            \
		.element_size = sizeof(((struct da_config *)NULL)->member[0]), \
		.count_offset = offsetof(struct da_config, count_member),      \
		.max = DA_ARRAY_LEN(((struct da_config *)NULL)->member),       \
		.is_name = (is_name_), .name_rule = (rule_),                   \
		.absent_means_else = (else_)                                   \
	}

const struct da_config_kind da_config_kinds[] = {
    KIND("profile ", profile_rows, profiles, profile_count, is_profile_name,
	"a profile's name is made of a-z, 0-9, - and _", false,
	"An identity provider. PAM lines choose one with profile=NAME."),
    KIND("service ", service_rows, services, service_count, is_service_name,
	"a service has the name of a file in /etc/pam.d", true,
	"What one PAM service asks for besides the profile. NAME is that of "
	"a file in\n"
	"/etc/pam.d; sudo means sudo-i, too, and su means su-l."),
    KIND("account ", account_rows, mappings, mapping_count, is_account_name,
	"an account's name is made of a-z, 0-9, - and _, and does not start "
	"with a digit",
	false, "People who may log in as an account that is not their own."),
    KIND("group ", group_rows, groups, group_count, is_account_name,
	"a group's name is made of a-z, 0-9, - and _, and does not start with "
	"a digit",
	false,
	"A group on this host whose members the provider's groups decide."),
};
const size_t da_config_kind_count = DA_ARRAY_LEN(da_config_kinds);

size_t *
da_config_section_count(
    struct da_config *config, const struct da_config_kind *kind)
{
	return (size_t *)(void *)((char *)config + kind->count_offset);
}

struct da_section *
da_config_section_at(
    struct da_config *config, const struct da_config_kind *kind, size_t i)
{
	return (struct da_section *)(void *)((char *)config +
	    kind->array_offset + i * kind->element_size);
}

void
da_config_format_title(const struct da_section *section, char *ret, size_t size)
{
	(void)snprintf(ret, size, "[%s%s]",
	    section->name != NULL ? section->kind->prefix : "devauth",
	    section->name != NULL ? section->name : "");
}
