// The searches that see every byte of a head, 16 bytes at a time where the machine has SSE2 (every x86-64)
// and one at a time elsewhere. Internal to the HTTP/1 parser.
// Thread: any.
#pragma once

#include <cstddef>
#include <cstdint>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

namespace envgate::http::internal {

// Control bytes but HTAB: CR and LF among them (RFC 9110 section 5.5 allows none inside a value).
constexpr bool is_control(unsigned char c) { return (c < 0x20 && c != '\t') || c == 0x7f; }

// The first control byte in [at, end), or end.
inline const char* find_control(const char* at, const char* end) {
#ifdef __SSE2__
  const __m128i last_control = _mm_set1_epi8(0x1f), tab = _mm_set1_epi8('\t'), del = _mm_set1_epi8(0x7f);
  for (; end - at >= 16; at += 16) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
    const __m128i low = _mm_cmpeq_epi8(_mm_min_epu8(bytes, last_control), bytes);
    const __m128i found =
        _mm_or_si128(_mm_andnot_si128(_mm_cmpeq_epi8(bytes, tab), low), _mm_cmpeq_epi8(bytes, del));
    if (const int mask = _mm_movemask_epi8(found)) return at + __builtin_ctz(static_cast<unsigned>(mask));
  }
#endif
  while (at != end && !is_control(static_cast<unsigned char>(*at))) ++at;
  return at;
}

// The first CR. Requires: there is one before `end`.
inline const char* find_cr(const char* at, const char* end) {
#ifdef __SSE2__
  const __m128i cr = _mm_set1_epi8('\r');
  for (; end - at >= 16; at += 16) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
    if (const int mask = _mm_movemask_epi8(_mm_cmpeq_epi8(bytes, cr)))
      return at + __builtin_ctz(static_cast<unsigned>(mask));
  }
#endif
  while (at != end && *at != '\r') ++at;
  return at;
}

// Visible ASCII but '#': what a request target may have (RFC 3986 section 2; a fragment is never sent).
constexpr bool is_target_byte(char c) { return c >= 0x21 && c <= 0x7e && c != '#'; }

inline bool all_target_bytes(const char* at, const char* end) {
#ifdef __SSE2__
  const __m128i space = _mm_set1_epi8(' '), del = _mm_set1_epi8(0x7f), hash = _mm_set1_epi8('#');
  for (; end - at >= 16; at += 16) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
    const __m128i visible = _mm_cmpgt_epi8(bytes, space);  // signed: 0x80 and above are not
    const __m128i bad = _mm_or_si128(_mm_cmpeq_epi8(bytes, del), _mm_cmpeq_epi8(bytes, hash));
    if (_mm_movemask_epi8(_mm_andnot_si128(bad, visible)) != 0xffff) return false;
  }
#endif
  while (at != end && is_target_byte(*at)) ++at;
  return at == end;
}

}  // namespace envgate::http::internal
