#include "core/paths.h"

const struct da_paths da_paths = {
    .config_file = DA_SYSCONFDIR "/devauth/devauth.conf",
    .broker = DA_LIBEXECDIR "/devauth-broker",
    .worker = DA_LIBEXECDIR "/devauth-worker",
    .worker_user = "_devauth",
    .passwd_file = "/etc/passwd",
    .group_file = "/etc/group",
    .state_dir = DA_STATEDIR,
    .people_dir = DA_STATEDIR "/people",
    .cache_dir = DA_CACHEDIR,
    .grants_dir = DA_RUNDIR "/grants",
    .limits_file = DA_RUNDIR "/limits",
    .keys_dir = DA_STATEDIR "/keys",
    .tokens_dir = DA_STATEDIR "/tokens",
    .sessions_dir = DA_RUNDIR "/sessions",
    .marks_dir = DA_RUNDIR "/withdrawn",
    .machine_id_file = "/etc/machine-id",
    /* What /sys/class/dmi/id is a link to. */
    .product_uuid_file = "/sys/devices/virtual/dmi/id/product_uuid",
    .proc_dir = "/proc",
    .login_programs = "/usr/sbin/sshd\n"
		      "/usr/lib/openssh/sshd-session\n"
		      "/usr/lib/openssh/sshd-auth\n"
		      "/usr/libexec/openssh/sshd-session\n"
		      "/usr/libexec/openssh/sshd-auth\n"
		      "/bin/login\n"
		      "/usr/bin/login\n",
    .owner = 0,
};
