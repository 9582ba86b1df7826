# Other people's libraries in the build for Windows: OpenSSL, SQLite and GoogleTest as
# scripts/windows-libraries made them, the header-only ones as Debian has them.
execute_process(COMMAND "${CMAKE_SOURCE_DIR}/scripts/windows-libraries" --where
  OUTPUT_VARIABLE NOFORCE_WINDOWS_LIBRARIES OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
if(NOT EXISTS "${NOFORCE_WINDOWS_LIBRARIES}/complete")
  message(FATAL_ERROR "${NOFORCE_WINDOWS_LIBRARIES} is not there: run scripts/setup windows")
endif()

# noforce_built(target library needs...): lib/liblibrary.a
function(noforce_built target library)
  add_library(${target} STATIC IMPORTED GLOBAL)
  set_target_properties(${target} PROPERTIES
    IMPORTED_LOCATION "${NOFORCE_WINDOWS_LIBRARIES}/lib/lib${library}.a"
    INTERFACE_INCLUDE_DIRECTORIES "${NOFORCE_WINDOWS_LIBRARIES}/include"
    INTERFACE_LINK_LIBRARIES "${ARGN}")
endfunction()
noforce_built(OpenSSL::Crypto crypto ws2_32 crypt32 advapi32)
noforce_built(OpenSSL::SSL ssl OpenSSL::Crypto)
noforce_built(SQLite::SQLite3 sqlite3)
noforce_built(GTest::gtest gtest)
noforce_built(GTest::gtest_main gtest_main GTest::gtest)
noforce_built(GTest::gmock gmock GTest::gtest)

# Copied, so that nothing else of /usr/include can be found with them.
set(staged "${CMAKE_BINARY_DIR}/include")
foreach(library IN ITEMS nlohmann CLI spdlog fmt toml++)
  if(NOT EXISTS "/usr/include/${library}")
    message(FATAL_ERROR "/usr/include/${library} is not there: run scripts/setup windows")
  endif()
  file(COPY "/usr/include/${library}" DESTINATION "${staged}")
endforeach()
foreach(target IN ITEMS nlohmann_json::nlohmann_json CLI11::CLI11 spdlog::spdlog_header_only)
  add_library(${target} INTERFACE IMPORTED GLOBAL)
  set_target_properties(${target} PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${staged}")
endforeach()
set(NOFORCE_TOMLPLUSPLUS_INCLUDE "${staged}")
