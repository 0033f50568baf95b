/*
 * Which machine this is, and which boot of it: what sealed files are tied to.
 */
#ifndef DA_STORE_MACHINE_H
#define DA_STORE_MACHINE_H

#include "core/attr.h"
#include "core/diag.h"
#include "core/err.h"

struct da_paths;

struct da_machine {
	char machine_id[32 + 1]; /* of the installation: /etc/machine-id */
	char boot_id[36 + 1];    /* of the running kernel, new at each boot */
	/* Of the hardware or the hypervisor (DMI), in lower case. "" where the
	 * firmware has none (many ARM boards, some containers and small virtual
	 * machines): two machines from one disk image then differ by their
	 * machine ids only, and by nothing if these were copied, too. What is
	 * sealed to a boot is safe even then. */
	char product_uuid[64 + 1];
};

/* Reads the three. DA_E_ABSENT (no machine id: diag has the cure),
 * DA_E_SYNTAX, DA_E_UNSAFE_FILE, DA_E_SYS. A product UUID that is there but
 * cannot be read is a failure, or what was sealed with it would be lost. */
enum da_err da_machine_read(const struct da_paths *paths,
    struct da_machine *ret, struct da_diag *diag) DA_MUST_CHECK;

#endif
