# The target `libssh`: what conf/libssh has built in build/deps. `libssh_internal` brings its internal headers, for the
# one file that stands on them. Without it envgate-session is left out, and audited SSH with it.
set(libssh_prefix ${PROJECT_SOURCE_DIR}/build/deps/libssh)
if(EXISTS ${libssh_prefix}/include-internal)
  find_package(ZLIB REQUIRED)
  add_library(libssh STATIC IMPORTED GLOBAL)
  # Its symbols stay in the program: its headers leave them visible, whatever -fvisibility said.
  set_target_properties(libssh PROPERTIES
    IMPORTED_LOCATION ${libssh_prefix}/lib/libssh.a
    INTERFACE_INCLUDE_DIRECTORIES ${libssh_prefix}/include
    INTERFACE_LINK_LIBRARIES "OpenSSL::Crypto;ZLIB::ZLIB;Threads::Threads"
    INTERFACE_LINK_OPTIONS "LINKER:--exclude-libs,libssh.a")
  add_library(libssh_internal INTERFACE)
  target_include_directories(libssh_internal SYSTEM INTERFACE ${libssh_prefix}/include-internal)
else()
  message(WARNING "libssh is not built: run conf/libssh. Audited SSH (envgate-session) is left out")
endif()
