// The door to libssh's packet layer: everything of envgate that stands on libssh's internal headers is behind
// it, in libssh_packets.c. libssh does the transport (RFC 4253) and, towards the target, the client's side of
// authentication; the payloads above that are ours, as they came. C, as those headers are.
//
// Thread: the session's one. Owns: nothing. Errors: false, and the session is broken; ssh_get_error says why.
#pragma once

#include <libssh/libssh.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// `payload` has its type byte first and is libssh's own memory. Called while libssh works: must not call it
// back but by packets_send.
typedef void (*packets_handler)(void* user, const uint8_t* payload, size_t size);

struct packets_tap;  // one for each session

// From now on `handler` gets every packet whose type is from `first` to `last`, and libssh does not see it.
struct packets_tap* packets_take(ssh_session session, uint8_t first, uint8_t last, packets_handler handler,
                                 void* user);
void packets_free(struct packets_tap* tap);  // after ssh_free of its session

// Sends a payload, its type byte first. Never blocks: what the socket does not take is kept.
bool packets_send(ssh_session session, const void* payload, size_t size);

// Server, before the exchange: the identification leaves as soon as it is sent. libssh would keep it until
// poll(2) has said that it may be written, and read first: a client that then says what is no SSH would never
// hear what we are. Requires: a fresh socket, which takes a line without blocking.
void packets_first_at_once(ssh_session session);

// Lets go what packets_send has kept back: libssh writes the first packet at once, and keeps the others until
// poll(2) has said that they may be written, which costs a call for each. Called at the end of a turn.
void packets_flush(ssh_session session);

// Bytes that are kept, since the socket takes no more or keys are being exchanged anew.
size_t packets_pending(ssh_session session);

// Whether what the peer sends is read from the socket. What is sent to it leaves all the same.
void packets_read(ssh_session session, bool on);

// The home directory that libssh expands its defaults with, instead of asking for the account's own, which a
// process without files cannot. No file of it is ever opened.
bool packets_no_home(ssh_session session);

// The hash of the first key exchange. Requires: there has been one.
void packets_session_id(ssh_session session, const uint8_t** id, size_t* size);

// Client: the host key of the last key exchange, kept to hold those of later ones against it, which libssh
// does not. Owns: `key`.
struct packets_host_key {
  ssh_key key;
  const void* exchange;  // the last one that was looked at
};
void packets_keep_host_key(ssh_session session, struct packets_host_key* kept);
bool packets_same_host_key(ssh_session session, struct packets_host_key* kept);
bool packets_broken(ssh_session session);

// What the peer's SSH_MSG_DISCONNECT said; NULL: it sent none.
const char* packets_farewell(ssh_session session);

// Server: sends SSH_MSG_USERAUTH_SUCCESS, after which types from 80 on are let in.
bool packets_authenticated(ssh_session session);

// Server: an SSH_MSG_USERAUTH_INFO_RESPONSE is let in (libssh's filter waits for its own request).
void packets_expect_info_response(ssh_session session);

#ifdef __cplusplus
}
#endif
