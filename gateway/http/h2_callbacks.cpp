#include "gateway/http/h2_callbacks.hpp"

#include <array>
#include <new>

#include "gateway/http/h2_allocator.hpp"
#include "gateway/http/h2_fields.hpp"
#include "gateway/http/h2_session.hpp"

namespace envgate::http {

namespace {

// A DATA frame smaller than this is not begun at the end of a record, if there is more to send.
constexpr std::size_t kLeastFrame = 1024;

constexpr std::size_t kMostContinuations = 8;   // 16 KiB each, behind a HEADERS: far above max_head_bytes
constexpr std::size_t kMostSettings = 32;       // entries in one frame; there are seven to set
constexpr std::size_t kMostWaitingAcks = 1000;  // PING and SETTINGS answers that a client does not read

std::string_view text(const std::uint8_t* bytes, std::size_t size) {
  return {reinterpret_cast<const char*>(bytes), size};
}

}  // namespace

// Each is called from within nghttp2_session_mem_recv or _mem_send; none may call those two.
struct H2Callbacks {
  static H2Session& owner(void* user) { return *static_cast<H2Session*>(user); }

  static H2Exchange* find(nghttp2_session* session, std::int32_t stream) {
    return static_cast<H2Exchange*>(nghttp2_session_get_stream_user_data(session, stream));
  }

  static int begin_frame(nghttp2_session*, const nghttp2_frame_hd* frame, void* user) {
    switch (frame->type) {
      case NGHTTP2_HEADERS:
      case NGHTTP2_CONTINUATION:
      case NGHTTP2_RST_STREAM:
      case NGHTTP2_WINDOW_UPDATE: break;
      case NGHTTP2_DATA:
        if (frame->length > 0 || (frame->flags & NGHTTP2_FLAG_END_STREAM)) break;
        [[fallthrough]];
      default: owner(user).control_frame();  // extensions among them
    }
    return 0;
  }

  static int begin_headers(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
    if (frame->headers.cat == NGHTTP2_HCAT_REQUEST) owner(user).begin_head(frame->hd.stream_id);
    else owner(user).begin_trailers(find(session, frame->hd.stream_id));
    return 0;
  }

  static int header(nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t* name,
                    std::size_t name_size, const std::uint8_t* value, std::size_t value_size, std::uint8_t,
                    void* user) {
    owner(user).add_field(frame->hd.stream_id, text(name, name_size), text(value, value_size));
    return 0;
  }

  // nghttp2 would leave such a field out and go on; RFC 9113 section 8.2.1 calls the request malformed.
  static int invalid_header(nghttp2_session*, const nghttp2_frame*, const std::uint8_t*, std::size_t,
                            const std::uint8_t*, std::size_t, std::uint8_t, void*) {
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  }

  static int frame_received(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
    H2Session& self = owner(user);
    const bool end_stream = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
    switch (frame->hd.type) {
      case NGHTTP2_HEADERS:
        self.head_ended(frame->headers.cat == NGHTTP2_HCAT_REQUEST, end_stream);
        break;
      case NGHTTP2_DATA: {
        H2Exchange* const exchange = find(session, frame->hd.stream_id);
        if (end_stream && exchange) exchange->end_remote();
        break;
      }
      case NGHTTP2_RST_STREAM: self.stream_reset_by_client(find(session, frame->hd.stream_id)); break;
      case NGHTTP2_SETTINGS: self.greeted_ = true; break;
      default: break;
    }
    return 0;
  }

  static int data(nghttp2_session* session, std::uint8_t, std::int32_t stream, const std::uint8_t* bytes,
                  std::size_t size, void*) {
    if (H2Exchange* const exchange = find(session, stream)) exchange->receive(text(bytes, size));
    else nghttp2_session_consume(session, stream, size);
    return 0;
  }

  static int frame_sent(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
    const auto type = frame->hd.type;
    if (type == NGHTTP2_RST_STREAM) {
      owner(user).stream_reset_sent(find(session, frame->hd.stream_id), frame->rst_stream.error_code);
    } else if (type == NGHTTP2_DATA || type == NGHTTP2_HEADERS) {
      H2Exchange* const exchange = find(session, frame->hd.stream_id);
      if (exchange && type == NGHTTP2_HEADERS) exchange->note_headers_sent();
      if (exchange && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM)) exchange->end_sent();
    } else if (type == NGHTTP2_GOAWAY && frame->goaway.error_code != NGHTTP2_NO_ERROR &&
               !owner(user).terminated_) {
      owner(user).service_.misbehaved("h2_protocol_error");  // found by nghttp2
    }
    return 0;
  }

  static int stream_close(nghttp2_session* session, std::int32_t stream, std::uint32_t code, void* user) {
    H2Exchange* const exchange = find(session, stream);
    if (!exchange) return 0;
    const bool at_fault =
        code != NGHTTP2_NO_ERROR && !exchange->reset_by_us() && !exchange->reset_by_client();
    owner(user).stream_closed(*exchange, at_fault);
    return 0;
  }

  static int send_data(nghttp2_session*, nghttp2_frame*, const std::uint8_t* frame_header, std::size_t length,
                       nghttp2_data_source* source, void* user) {
    owner(user).put_data(frame_header, *static_cast<H2Exchange*>(source->ptr), length);
    return 0;
  }

  // Frames of types that we do not know are dropped (RFC 9113 section 4.1): seen by begin_frame, and no
  // further.
  static int unpack_extension(nghttp2_session*, void**, const nghttp2_frame_hd*, void*) {
    return NGHTTP2_ERR_CANCEL;
  }

  static std::size_t room(void* user) { return owner(user).room_for_data(); }

  static const nghttp2_session_callbacks* all() {
    static const nghttp2_session_callbacks* const made = [] {
      nghttp2_session_callbacks* callbacks = nullptr;
      if (nghttp2_session_callbacks_new(&callbacks) != 0) throw std::bad_alloc();
      nghttp2_session_callbacks_set_on_begin_frame_callback(callbacks, begin_frame);
      nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, begin_headers);
      nghttp2_session_callbacks_set_on_header_callback(callbacks, header);
      nghttp2_session_callbacks_set_on_invalid_header_callback(callbacks, invalid_header);
      nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, frame_received);
      nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, data);
      nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, frame_sent);
      nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, stream_close);
      nghttp2_session_callbacks_set_send_data_callback(callbacks, send_data);
      nghttp2_session_callbacks_set_unpack_extension_callback(callbacks, unpack_extension);
      return callbacks;
    }();
    return made;
  }

  static const nghttp2_option* options() {
    static const nghttp2_option* const made = [] {
      nghttp2_option* option = nullptr;
      if (nghttp2_option_new(&option) != 0) throw std::bad_alloc();
      nghttp2_option_set_no_auto_window_update(option, 1);
      nghttp2_option_set_no_closed_streams(option, 1);
      nghttp2_option_set_max_continuations(option, kMostContinuations);
      nghttp2_option_set_max_settings(option, kMostSettings);
      nghttp2_option_set_max_outbound_ack(option, kMostWaitingAcks);
      // Without this nghttp2 drops unknown frames in silence, and nobody would count them.
      for (unsigned type = NGHTTP2_CONTINUATION + 1; type <= 0xff; ++type)
        nghttp2_option_set_user_recv_extension_type(option, static_cast<std::uint8_t>(type));
      // A second line behind H2Options::resets, which answers sooner and counts what we reset, too.
      nghttp2_option_set_stream_reset_rate_limit(option, 1000, 100);
      return option;
    }();
    return made;
  }
};

ssize_t h2_read_callback(nghttp2_session* session, std::int32_t stream, std::uint8_t*, std::size_t length,
                         std::uint32_t* flags, nghttp2_data_source* source, void* user) {
  H2Exchange& exchange = *static_cast<H2Exchange*>(source->ptr);
  // Frames are cut so that they end where the record does.
  const std::size_t most = H2Callbacks::room(user);
  if (exchange.waiting() > most && most < kLeastFrame) return NGHTTP2_ERR_PAUSE;
  const H2Exchange::Frame frame = exchange.next_frame(std::min(length, most));
  if (frame.state == H2Exchange::Frame::nothing_yet) {
    exchange.defer();
    return NGHTTP2_ERR_DEFERRED;
  }
  if (frame.state == H2Exchange::Frame::last) *flags |= NGHTTP2_DATA_FLAG_EOF;
  if (frame.trailers) {
    *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
    if (!submit_trailers(session, stream, *exchange.trailers())) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  }
  if (frame.size > 0) *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
  return static_cast<ssize_t>(frame.size);
}

nghttp2_session* make_h2_session(H2Session& owner, const H2Options& options) {
  nghttp2_session* session = nullptr;
  {
    const H2Allocator making;
    if (nghttp2_session_server_new3(&session, H2Callbacks::all(), &owner, H2Callbacks::options(),
                                    H2Allocator::functions()) != 0)
      throw std::bad_alloc();
  }
  const std::size_t list_size =
      options.head.head + 32 * options.head.fields;  // as RFC 9113 section 6.5.2 counts
  const std::array<nghttp2_settings_entry, 5> settings = {{
      {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, options.max_streams},
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, options.stream_window},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, static_cast<std::uint32_t>(list_size)},
      {NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1},  // RFC 8441 section 3
      {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},    // RFC 9218 section 2.1
  }};
  nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, settings.data(), settings.size());
  const auto window = static_cast<std::int32_t>(options.connection_window);
  nghttp2_session_set_local_window_size(session, NGHTTP2_FLAG_NONE, 0, window);
  return session;
}

}  // namespace envgate::http
