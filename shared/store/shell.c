#include "store/shell.h"

#include <stdbool.h>
#include <string.h>
#include <unistd.h>

enum da_err
da_shell_check(const char *shell, struct da_diag *diag)
{
	const char *listed;
	bool found = false;

	setusershell();
	while (!found && (listed = getusershell()) != NULL)
		found = strcmp(listed, shell) == 0;
	endusershell();
	if (found)
		return DA_OK;
	da_diag_set(diag,
	    "the shell %s is not listed in /etc/shells: add it there, or "
	    "change \"shell\" and run devauth config apply",
	    shell);
	return DA_E_CONFIG;
}
