#include "conversation.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <security/pam_appl.h>

#include "core/wire.h"
#include "messages.h"

/* PAM_MAX_MSG_SIZE counts the NUL. */
#define MESSAGE_SIZE PAM_MAX_MSG_SIZE
#define QR_INDENT "    "
/* Messages below the QR code: blank, heading, address, code, hint, prompt. */
#define LINES_BELOW 6

struct page {
	char text[PAM_MAX_NUM_MSG][MESSAGE_SIZE];
	int style[PAM_MAX_NUM_MSG];
	int count;
};

static const struct pam_conv *
get_conv(pam_handle_t *pamh)
{
	const void *item = NULL;
	const struct pam_conv *conv;

	if (pam_get_item(pamh, PAM_CONV, &item) != PAM_SUCCESS || item == NULL)
		return NULL;
	conv = item;
	return conv->conv != NULL ? conv : NULL;
}

bool
da_conversation_exists(pam_handle_t *pamh)
{
	return get_conv(pamh) != NULL;
}

/* The next message of the page; NULL when it is full. */
static char *
add(struct page *page, int style)
{
	if (page->count == PAM_MAX_NUM_MSG)
		return NULL;
	page->style[page->count] = style;
	page->text[page->count][0] = '\0';
	return page->text[page->count++];
}

/* sshd strings all messages together and shows them with the prompt; its
 * client cuts none of it, but PAM allows 512 bytes a message: so the code is
 * split between lines. A QR code that does not fit is left out whole. */
static bool
add_qr(struct page *page, const char *qr)
{
	int start = page->count;
	char *message = NULL;

	while (*qr != '\0') {
		size_t len = (size_t)(strchrnul(qr, '\n') - qr);
		size_t used = message != NULL ? strlen(message) : 0;
		size_t need = len + sizeof(QR_INDENT) + 1;

		if (message == NULL || used + need >= MESSAGE_SIZE) {
			message = page->count < PAM_MAX_NUM_MSG - LINES_BELOW
			    ? add(page, PAM_TEXT_INFO)
			    : NULL;
			used = 0;
			if (message == NULL || need >= MESSAGE_SIZE) {
				page->count = start;
				return false;
			}
		}
		(void)snprintf(message + used, MESSAGE_SIZE - used, "%s%s%.*s",
		    used > 0 ? "\n" : "", QR_INDENT, (int)len, qr);
		qr += len + (qr[len] == '\n' ? 1 : 0);
	}
	message = add(page, PAM_TEXT_INFO);
	if (message == NULL)
		page->count = start;
	return message != NULL;
}

/* The QR code stands above the text: on a screen of 24 rows the top of it may
 * scroll away, the address and the code never. Both are printable ASCII: the
 * wire's rules saw to it. */
static void
format_page(struct page *page, const struct da_wire_request *request,
    const struct da_wire_code *code)
{
	char *line = add(page, PAM_TEXT_INFO);

	if (code->qr.len > 0) {
		(void)snprintf(line, MESSAGE_SIZE, "%s", DA_TEXT_SCAN);
		if (add_qr(page, da_buf_text(&code->qr)))
			line = add(page, PAM_TEXT_INFO);
	}
	if (request->rhost[0] != '\0')
		(void)snprintf(line, MESSAGE_SIZE, DA_TEXT_SIGN_IN_FROM,
		    code->host, request->user, request->rhost);
	else if (request->tty[0] != '\0')
		(void)snprintf(line, MESSAGE_SIZE, DA_TEXT_SIGN_IN_ON,
		    code->host, request->user, request->tty);
	else
		(void)snprintf(line, MESSAGE_SIZE, DA_TEXT_SIGN_IN, code->host,
		    request->user);
	line = add(page, PAM_TEXT_INFO);
	(void)snprintf(line, MESSAGE_SIZE, DA_TEXT_OPEN, code->uri);
	line = add(page, PAM_TEXT_INFO);
	(void)snprintf(line, MESSAGE_SIZE, DA_TEXT_ENTER, code->user_code,
	    code->good_until);
	line = add(page, PAM_TEXT_INFO);
	(void)snprintf(line, MESSAGE_SIZE, "%s",
	    code->must_confirm != 0 ? DA_TEXT_EARLY : DA_TEXT_BY_ITSELF);
	if (code->must_confirm == 0)
		return;
	line = add(page, PAM_PROMPT_ECHO_ON);
	(void)snprintf(line, MESSAGE_SIZE, "%s", DA_TEXT_PROMPT);
}

/* What is typed at the prompt is of no interest, but may be a password. */
static void
drop_responses(struct pam_response *responses, int count)
{
	if (responses == NULL)
		return;
	for (int i = 0; i < count; i++) {
		if (responses[i].resp != NULL) {
			explicit_bzero(
			    responses[i].resp, strlen(responses[i].resp));
			free(responses[i].resp);
		}
	}
	free(responses);
}

static enum da_err
converse(pam_handle_t *pamh, const struct page *page)
{
	const struct pam_conv *conv = get_conv(pamh);
	struct pam_message messages[PAM_MAX_NUM_MSG];
	const struct pam_message *pointers[PAM_MAX_NUM_MSG];
	struct pam_response *responses = NULL;
	int last = page->count - 1;
	enum da_err err = DA_OK;

	if (conv == NULL)
		return DA_E_CANCELLED;
	for (int i = 0; i < page->count; i++) {
		messages[i].msg_style = page->style[i];
		messages[i].msg = page->text[i];
		pointers[i] = &messages[i];
	}
	if (conv->conv(page->count, pointers, &responses, conv->appdata_ptr) !=
	    PAM_SUCCESS)
		err = DA_E_CANCELLED;
	/* Ctrl-D: success without an answer (misc_conv). */
	else if (page->style[last] == PAM_PROMPT_ECHO_ON &&
	    (responses == NULL || responses[last].resp == NULL))
		err = DA_E_CANCELLED;
	drop_responses(responses, page->count);
	return err;
}

enum da_err
da_conversation_show_code(pam_handle_t *pamh,
    const struct da_wire_request *request, const struct da_wire_code *code)
{
	struct page page = {.count = 0};

	format_page(&page, request, code);
	return converse(pamh, &page);
}

void
da_conversation_tell(pam_handle_t *pamh, int style, const char *line)
{
	struct page page = {.count = 0};
	char *text = add(&page, style);

	if (line[0] == '\0')
		return;
	(void)snprintf(text, MESSAGE_SIZE, "%s", line);
	DA_IGNORE(converse(pamh, &page)); /* the result stands without it */
}
