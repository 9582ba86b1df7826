# Language level, warnings, sanitizers, launcher and linker: the same for every target of ours.
set(CMAKE_CXX_STANDARD 23)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_CXX_SCAN_FOR_MODULES OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Debug CACHE STRING "" FORCE)
endif()

find_program(NOFORCE_CCACHE ccache)
if(NOFORCE_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # Paths below the clone count as relative, so that one clone's objects serve the next clone.
  set(CMAKE_CXX_COMPILER_LAUNCHER "${CMAKE_COMMAND}" -E env
    "CCACHE_BASEDIR=${CMAKE_SOURCE_DIR}" CCACHE_NOHASHDIR=1 "${NOFORCE_CCACHE}")
endif()

# Only for linking what is linked often: GNU ld stays for the release, which measures its size.
if(NOT CMAKE_BUILD_TYPE STREQUAL "Release" AND NOT WIN32)
  find_program(NOFORCE_MOLD mold)
  find_program(NOFORCE_LLD NAMES ld.lld ld.lld-19)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang" AND NOFORCE_LLD)
    add_link_options("--ld-path=${NOFORCE_LLD}")
  elseif(NOFORCE_MOLD)
    add_link_options(-fuse-ld=mold)
  endif()
endif()

# What every target of ours is compiled with; other people's headers are SYSTEM and not judged.
add_library(noforce_options INTERFACE)
target_include_directories(noforce_options INTERFACE "${CMAKE_SOURCE_DIR}")
target_compile_options(noforce_options INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual
  -Wformat=2 -Wimplicit-fallthrough -Wundef -Wvla -Werror)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  target_compile_options(noforce_options INTERFACE
    -Wduplicated-cond -Wlogical-op
    # One aggregate with defaults is this code base's "named arguments": {.a = 1} is complete.
    -Wno-missing-field-initializers
    # GCC 12 reports library internals (std::string, std::expected) that are not there: GCC 105329, 105562.
    -Wno-restrict -Wno-maybe-uninitialized)
elseif(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  target_compile_options(noforce_options INTERFACE
    -Wno-missing-field-initializers -Wno-missing-designated-field-initializers
    # std::stable_sort of GCC 12's library calls its own deprecated std::get_temporary_buffer.
    -Wno-deprecated-declarations
    # The contract is one long string in the executable.
    -Wno-overlength-strings
    -Wthread-safety -Wthread-safety-beta)
endif()

if(NOFORCE_SANITIZE)
  add_compile_options(-fsanitize=${NOFORCE_SANITIZE} -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${NOFORCE_SANITIZE})
  if(NOFORCE_SANITIZE MATCHES "undefined")
    add_compile_options(-fno-sanitize-recover=undefined)
  endif()
endif()

if(WIN32)
  # One file that needs nothing but Windows 10 or Server 2016, with what Windows has against intruders.
  add_compile_definitions(_WIN32_WINNT=0x0A00 WINVER=0x0A00 WIN32_LEAN_AND_MEAN NOMINMAX)
  add_link_options(-static -Wl,--dynamicbase,--nxcompat,--high-entropy-va)
  # GCC 12's library has std::type_info::operator== inline in C++23 and in its archive as well, and PE
  # knows no weak symbols: whichever is not inlined would be there twice.
  add_link_options(-Wl,--allow-multiple-definition)
endif()

if(CMAKE_BUILD_TYPE STREQUAL "Release")
  add_compile_options(-ffunction-sections -fdata-sections)
  add_link_options(-Wl,--gc-sections)
  if(NOT WIN32)
    add_link_options(-Wl,--as-needed -Wl,-z,relro,-z,now)
  endif()
  add_compile_definitions(_FORTIFY_SOURCE=2)
  add_compile_options(-fstack-protector-strong)
  if(WIN32)
    add_link_options(-s -fstack-protector-strong)  # libssp, which glibc has inside
  endif()
  # With _FORTIFY_SOURCE glibc asks for more results to be used, and GCC takes no cast to void for an
  # answer. The other builds keep the warning: [[nodiscard]] is held there.
  target_compile_options(noforce_options INTERFACE -Wno-unused-result)
else()
  add_compile_definitions(_GLIBCXX_ASSERTIONS)
endif()

find_package(Threads REQUIRED)
