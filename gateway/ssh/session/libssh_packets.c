#include "gateway/ssh/session/libssh_packets.h"

#include <openssl/evp.h>
#include <poll.h>
#include <string.h>

#include "config.h"
#include "libssh/buffer.h"
#include "libssh/crypto.h"
#include "libssh/misc.h"
#include "libssh/packet.h"
#include "libssh/poll.h"
#include "libssh/priv.h"
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
  if (session->packet_callbacks != NULL &&
      ssh_list_prepend(session->packet_callbacks, &tap->callbacks) == SSH_OK)
    return tap;
  free(tap);
  return NULL;
}

void packets_free(struct packets_tap* tap) { free(tap); }

// A packet of AES-GCM as libssh would make it, without the five copies of each payload that it makes on the
// way, nor its call of the random generator for each: they were a third of what a relay of bulk cost. Each
// call is checked, which libssh's own are not: a payload never leaves in the clear. RFC 5647; a multiple of
// 16 without the length's 4 bytes.
enum { kLength = 4, kTag = 16, kBlock = 16, kPaddingLeast = 4, kPayloadMost = 36 * 1024 };

static struct {
  uint8_t packet[kLength + 1 + kPayloadMost + 2 * kBlock + kTag];
  uint8_t random[1024];  // for paddings, each byte used once
  size_t random_left;
} sealed;

static bool add_padding(uint8_t* into, size_t size) {
  if (sealed.random_left < size) {
    if (!ssh_get_random(sealed.random, sizeof sealed.random, 0)) return false;
    sealed.random_left = sizeof sealed.random;
  }
  sealed.random_left -= size;
  memcpy(into, sealed.random + sealed.random_left, size);
  return true;
}

static bool encrypt(EVP_CIPHER_CTX* gcm, uint8_t** to, const uint8_t* bytes, size_t size) {
  int done = 0;
  if (EVP_EncryptUpdate(gcm, *to, &done, bytes, (int)size) != 1 || (size_t)done != size) return false;
  *to += size;
  return true;
}

// Its size in `sealed.packet`; 0: it failed.
static size_t seal(EVP_CIPHER_CTX* gcm, const uint8_t* payload, size_t size) {
  uint8_t padded = (uint8_t)(kBlock - (size + 1) % kBlock);
  if (padded < kPaddingLeast) padded += kBlock;
  const uint32_t length = (uint32_t)(1 + size + padded);
  uint8_t iv[1], padding[2 * kBlock], *to = sealed.packet;
  int done = 0;
  for (int i = 0; i < kLength; ++i) *to++ = (uint8_t)(length >> (24 - 8 * i));
  const bool good = add_padding(padding, padded) &&
                    EVP_CIPHER_CTX_ctrl(gcm, EVP_CTRL_GCM_IV_GEN, sizeof iv, iv) == 1 &&
                    EVP_EncryptUpdate(gcm, NULL, &done, sealed.packet, kLength) == 1 &&
                    encrypt(gcm, &to, &padded, 1) && encrypt(gcm, &to, payload, size) &&
                    encrypt(gcm, &to, padding, padded) && EVP_EncryptFinal_ex(gcm, to, &done) == 1 &&
                    EVP_CIPHER_CTX_ctrl(gcm, EVP_CTRL_GCM_GET_TAG, kTag, to) == 1;
  return good ? (size_t)(to - sealed.packet) + kTag : 0;
}

// Whether libssh would do nothing but send such a packet now: no other keys are due (its own rules are in
// packet.c).
static bool only_to_seal(ssh_session session, const struct ssh_crypto_struct* crypto, size_t size) {
  if (crypto == NULL || crypto != session->current_crypto || size == 0 || size > kPayloadMost) return false;
  const struct ssh_cipher_struct *out = crypto->out_cipher, *in = crypto->in_cipher;
  if ((out->ciphertype != SSH_AEAD_AES128_GCM && out->ciphertype != SSH_AEAD_AES256_GCM) || in == NULL)
    return false;
  if (crypto->do_compress_out || session->opts.rekey_time != 0 || session->raw_counter != NULL) return false;
  if (!(session->flags & SSH_SESSION_FLAG_AUTHENTICATED) || session->dh_handshake_state != DH_STATE_FINISHED)
    return false;
  const uint64_t blocks = size / kBlock, packets_most = 1u << 30;  // half of libssh's own
  return out->packets < packets_most && in->packets < packets_most &&
         (out->max_blocks == 0 || out->blocks + blocks <= out->max_blocks) &&
         (in->max_blocks == 0 || in->blocks + blocks <= in->max_blocks);
}

static bool send_sealed(ssh_session session, struct ssh_cipher_struct* cipher, const void* payload,
                        size_t size) {
  const size_t whole = seal(cipher->ctx, payload, size);
  if (whole == 0) {
    ssh_set_error(session, SSH_FATAL, "a packet cannot be encrypted");
    session->session_state = SSH_SESSION_STATE_ERROR;
    return false;
  }
  session->send_seq++;
  cipher->packets++;
  cipher->blocks += size / kBlock;
  return ssh_socket_write(session->socket, sealed.packet, (uint32_t)whole) == SSH_OK &&
         !packets_broken(session);
}

bool packets_send(ssh_session session, const void* payload, size_t size) {
  struct ssh_crypto_struct* crypto = ssh_packet_get_current_crypto(session, SSH_DIRECTION_OUT);
  if (only_to_seal(session, crypto, size)) return send_sealed(session, crypto->out_cipher, payload, size);
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
  if (on)
    ssh_poll_add_events(handle, POLLIN);
  else
    ssh_poll_remove_events(handle, POLLIN);
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
