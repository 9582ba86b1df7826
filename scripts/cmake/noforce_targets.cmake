# noforce_glob(OUT dir): every .cpp below dir, looked up again at each build.
function(noforce_glob out dir)
  file(GLOB_RECURSE found CONFIGURE_DEPENDS "${dir}/*.cpp")
  # Files named for a platform are built there only.
  if(NOT WIN32)
    list(FILTER found EXCLUDE REGEX "[/_]windows[^/]*\\.cpp$")
  endif()
  if(NOT CMAKE_SYSTEM_NAME STREQUAL "Linux")
    list(FILTER found EXCLUDE REGEX "[/_]linux[^/]*\\.cpp$")
  endif()
  set(${out} ${found} PARENT_SCOPE)
endfunction()

# noforce_library(name sources...): a static library of ours; a room without sources yet
# becomes an interface library, so that what links it need not know.
function(noforce_library name)
  if(ARGN)
    add_library(${name} STATIC ${ARGN})
    target_link_libraries(${name} PUBLIC noforce_options Threads::Threads)
    if(NOFORCE_FUZZ)
      # What libFuzzer steers by: which edges ran, and what was compared with what.
      target_compile_options(${name} PRIVATE -fsanitize=fuzzer-no-link)
    endif()
  else()
    add_library(${name} INTERFACE)
    target_link_libraries(${name} INTERFACE noforce_options Threads::Threads)
  endif()
endfunction()

# noforce_link(name targets...): what the library needs, and with it everyone who uses it.
function(noforce_link name)
  get_target_property(type ${name} TYPE)
  if(type STREQUAL "INTERFACE_LIBRARY")
    target_link_libraries(${name} INTERFACE ${ARGN})
  else()
    target_link_libraries(${name} PUBLIC ${ARGN})
  endif()
endfunction()
