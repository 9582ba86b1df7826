# Other people's libraries, each behind a target of its own. scripts/setup brings them.
if(WIN32)
  include(noforce_windows_libraries)
else()
  find_package(OpenSSL 3.0 REQUIRED)
  find_package(SQLite3 REQUIRED)
  find_package(nlohmann_json 3.11 REQUIRED)
  find_package(fmt REQUIRED)
  find_package(spdlog REQUIRED)
  find_package(CLI11 REQUIRED)
  find_path(NOFORCE_TOMLPLUSPLUS_INCLUDE toml++/toml.h REQUIRED)
endif()

# Header-only in both: the executable needs neither libspdlog nor libfmt where it runs.
add_library(noforce_spdlog INTERFACE)
target_include_directories(noforce_spdlog SYSTEM INTERFACE
  "$<TARGET_PROPERTY:spdlog::spdlog_header_only,INTERFACE_INCLUDE_DIRECTORIES>")
target_compile_definitions(noforce_spdlog INTERFACE SPDLOG_FMT_EXTERNAL FMT_HEADER_ONLY)

add_library(noforce_tomlplusplus INTERFACE)
target_include_directories(noforce_tomlplusplus SYSTEM INTERFACE "${NOFORCE_TOMLPLUSPLUS_INCLUDE}")

# cpp-httplib: one header, outside the clone, put there by scripts/setup.
set(_noforce_deps "${NOFORCE_DEPS}")
if(NOT _noforce_deps)
  if(DEFINED ENV{NOFORCE_DEPS})
    set(_noforce_deps "$ENV{NOFORCE_DEPS}")
  elseif(DEFINED ENV{XDG_CACHE_HOME})
    set(_noforce_deps "$ENV{XDG_CACHE_HOME}/noforce-deps")
  else()
    set(_noforce_deps "$ENV{HOME}/.cache/noforce-deps")
  endif()
endif()
find_path(NOFORCE_HTTPLIB_INCLUDE httplib.h PATHS "${_noforce_deps}/cpp-httplib" NO_DEFAULT_PATH
  NO_CMAKE_FIND_ROOT_PATH)
add_library(noforce_httplib INTERFACE)
if(NOFORCE_HTTPLIB_INCLUDE)
  target_include_directories(noforce_httplib SYSTEM INTERFACE "${NOFORCE_HTTPLIB_INCLUDE}")
else()
  message(FATAL_ERROR "httplib.h is not in ${_noforce_deps}/cpp-httplib: run scripts/setup")
endif()
target_compile_definitions(noforce_httplib INTERFACE CPPHTTPLIB_OPENSSL_SUPPORT)
target_link_libraries(noforce_httplib INTERFACE OpenSSL::SSL OpenSSL::Crypto Threads::Threads)

# libsystemd, for sd-bus and nothing else.
if(NOFORCE_SCM_SYSTEMD)
  if(NOT NOFORCE_SDBUS_INCLUDE OR NOT NOFORCE_SDBUS_LIBRARY)
    message(FATAL_ERROR "NOFORCE_SCM_SYSTEMD needs libsystemd's headers: run scripts/setup")
  endif()
  add_library(noforce_sdbus INTERFACE)
  target_include_directories(noforce_sdbus SYSTEM INTERFACE "${NOFORCE_SDBUS_INCLUDE}")
  target_link_libraries(noforce_sdbus INTERFACE "${NOFORCE_SDBUS_LIBRARY}")
endif()
