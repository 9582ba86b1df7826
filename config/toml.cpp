// Else toml++ has the compiler assume what it asserts.
#undef NDEBUG
#define TOML_IMPLEMENTATION
#include "config/toml.hpp"
