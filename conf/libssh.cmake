# The target `libssh`: what conf/libssh has built in build/deps, or the distribution's own where that is new enough.
# No program stands on it yet, so that without it only its own test is left out.
set(libssh_prefix ${PROJECT_SOURCE_DIR}/build/deps/libssh)
if(EXISTS ${libssh_prefix}/stamp)
  find_package(ZLIB REQUIRED)
  add_library(libssh STATIC IMPORTED GLOBAL)
  # Its symbols stay in the program: its headers leave them visible, whatever -fvisibility said.
  set_target_properties(libssh PROPERTIES
    IMPORTED_LOCATION ${libssh_prefix}/lib/libssh.a
    INTERFACE_INCLUDE_DIRECTORIES ${libssh_prefix}/include
    INTERFACE_LINK_LIBRARIES "OpenSSL::Crypto;ZLIB::ZLIB;Threads::Threads"
    INTERFACE_LINK_OPTIONS "LINKER:--exclude-libs,libssh.a")
else()
  pkg_check_modules(LIBSSH QUIET IMPORTED_TARGET GLOBAL libssh>=0.12.2)
  if(LIBSSH_FOUND)
    add_library(libssh ALIAS PkgConfig::LIBSSH)
  else()
    message(WARNING "libssh 0.12.2 or newer is neither built nor installed: run conf/libssh")
  endif()
endif()
