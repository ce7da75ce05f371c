#include "gateway/ssh/session/libssh_packets.h"

#include <poll.h>

#include "config.h"
#include "libssh/priv.h"

#include "libssh/buffer.h"
#include "libssh/crypto.h"
#include "libssh/misc.h"
#include "libssh/packet.h"
#include "libssh/poll.h"
#include "libssh/server.h"
#include "libssh/session.h"
#include "libssh/socket.h"

struct packets_tap {
  struct ssh_packet_callbacks_struct callbacks;
  packets_handler handler;
  void* user;
  ssh_packet_callback table[256];
};

static int handle(ssh_session session, uint8_t type, ssh_buffer packet, void* user) {
  struct packets_tap* tap = user;
  (void)session;
  // libssh has read the type off the front of its buffer, where it still stands.
  const uint8_t* payload = (const uint8_t*)ssh_buffer_get(packet) - 1;
  if (payload[0] != type) return SSH_PACKET_NOT_USED;
  tap->handler(tap->user, payload, (size_t)ssh_buffer_get_len(packet) + 1);
  return SSH_PACKET_USED;
}

// libssh asks its lists of callbacks in order and stops at the one that used the packet.
struct packets_tap* packets_take(ssh_session session, uint8_t first, uint8_t last, packets_handler handler,
                                 void* user) {
  struct packets_tap* tap = calloc(1, sizeof *tap);
  if (tap == NULL) return NULL;
  tap->handler = handler;
  tap->user = user;
  tap->callbacks.start = first;
  tap->callbacks.n_callbacks = (uint8_t)(last - first + 1);
  tap->callbacks.callbacks = tap->table;
  tap->callbacks.user = tap;
  for (int i = 0; i <= last - first; ++i) tap->table[i] = handle;
  // Before the banners there is no list yet; libssh then appends its own to it.
  if (session->packet_callbacks == NULL) session->packet_callbacks = ssh_list_new();
  if (session->packet_callbacks != NULL && ssh_list_prepend(session->packet_callbacks, &tap->callbacks) == SSH_OK) return tap;
  free(tap);
  return NULL;
}

void packets_free(struct packets_tap* tap) { free(tap); }

bool packets_send(ssh_session session, const void* payload, size_t size) {
  if (ssh_buffer_add_data(session->out_buffer, payload, (uint32_t)size) != SSH_OK) return false;
  return ssh_packet_send(session) == SSH_OK && !packets_broken(session);
}

void packets_first_at_once(ssh_session session) { ssh_socket_set_write_wontblock(session->socket); }

void packets_flush(ssh_session session) {
  ssh_socket socket = session->socket;
  if (!ssh_socket_is_open(socket)) return;
  // libssh takes EAGAIN for the end of the connection, so it must not see one.
  struct pollfd look = {ssh_socket_get_fd(socket), POLLOUT, 0};
  if (ssh_socket_buffered_write_bytes(socket) > 0 && poll(&look, 1, 0) == 1 && (look.revents & POLLOUT)) {
    ssh_socket_set_write_wontblock(socket);
    ssh_socket_nonblocking_flush(socket);
  }
  ssh_poll_handle handle = ssh_socket_is_open(socket) ? ssh_socket_get_poll_handle(socket) : NULL;
  if (handle != NULL && ssh_socket_buffered_write_bytes(socket) == 0) ssh_poll_remove_events(handle, POLLOUT);
}

size_t packets_pending(ssh_session session) {
  size_t bytes = ssh_socket_buffered_write_bytes(session->socket);
  struct ssh_iterator* it = ssh_list_get_iterator(session->out_queue);
  for (; it != NULL; it = it->next) bytes += ssh_buffer_get_len((ssh_buffer)it->data);
  return bytes;
}

void packets_read(ssh_session session, bool on) {
  ssh_poll_handle handle = ssh_socket_get_poll_handle(session->socket);
  if (handle == NULL) return;
  if (on) ssh_poll_add_events(handle, POLLIN);
  else ssh_poll_remove_events(handle, POLLIN);
}

bool packets_no_home(ssh_session session) {
  free(session->opts.homedir);
  session->opts.homedir = strdup("/nonexistent");
  return session->opts.homedir != NULL;
}

void packets_session_id(ssh_session session, const uint8_t** id, size_t* size) {
  *id = session->current_crypto->session_id;
  *size = session->current_crypto->session_id_len;
}

bool packets_key_exchanged(ssh_session session) {
  return session->current_crypto != NULL && session->dh_handshake_state == DH_STATE_FINISHED;
}

void packets_keep_host_key(ssh_session session, struct packets_host_key* kept) {
  kept->exchange = session->current_crypto;
  kept->key = ssh_key_dup(session->current_crypto->server_pubkey);
}

// Each exchange has a structure of its own, made while the one before it is still there.
bool packets_same_host_key(ssh_session session, struct packets_host_key* kept) {
  if (kept->exchange == session->current_crypto) return true;
  kept->exchange = session->current_crypto;
  return kept->key != NULL && session->current_crypto != NULL &&
         ssh_key_cmp(session->current_crypto->server_pubkey, kept->key, SSH_KEY_CMP_PUBLIC) == 0;
}

bool packets_broken(ssh_session session) {
  return session->session_state == SSH_SESSION_STATE_ERROR ||
         session->session_state == SSH_SESSION_STATE_DISCONNECTED || !session->alive;
}

const char* packets_farewell(ssh_session session) { return session->peer_discon_msg; }

bool packets_authenticated(ssh_session session) { return ssh_auth_reply_success(session, 0) == SSH_OK; }

void packets_expect_info_response(ssh_session session) { session->auth.state = SSH_AUTH_STATE_INFO; }
