// toml++, which is slow to compile: its declarations here, its code in toml.cpp alone.
#pragma once

// The parser asserts what a malformed file can bring about ("[=]"), where the error that it reports
// without the assertion is the right one. So there is none, in any build.
#define TOML_ASSERT(condition) static_cast<void>(0)
#define TOML_HEADER_ONLY 0
#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
#include <toml++/toml.h>
