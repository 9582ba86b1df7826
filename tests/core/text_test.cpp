#include "core/text.hpp"

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace noforce {
namespace {

using std::string_literals::operator""s;

TEST(CleanText, KeepsWhatIsHarmless) {
  EXPECT_EQ(clean_text("", 10), "");
  EXPECT_EQ(clean_text("flushed 900 of 1000", 100), "flushed 900 of 1000");
  EXPECT_EQ(clean_text("Größe 😀 日本語 \\ \"", 100), "Größe 😀 日本語 \\ \"");
}

TEST(CleanText, EscapesControlsAndLineBreaks) {
  EXPECT_EQ(clean_text("a\nb\r\tc\x1b[2J", 100), "a\\u000ab\\u000d\\u0009c\\u001b[2J");
  EXPECT_EQ(clean_text("nul\0!"s, 100), "nul\\u0000!");
  EXPECT_EQ(clean_text("del\x7f", 100), "del\\u007f");
  // C1: U+0080, U+0085 (next line), U+009B (CSI), U+009F.
  EXPECT_EQ(clean_text("\xC2\x80\xC2\x85\xC2\x9B\xC2\x9F", 100), "\\u0080\\u0085\\u009b\\u009f");
  EXPECT_EQ(clean_text("\xC2\xA0", 100), "\xC2\xA0");  // a space that does not break is harmless
  EXPECT_EQ(clean_text("\xE2\x80\xA8\xE2\x80\xA9", 100), "\\u2028\\u2029");
}

TEST(CleanText, EscapesEveryDirectionCharacter) {
  EXPECT_EQ(clean_text("\xE2\x80\xAA\xE2\x80\xAB\xE2\x80\xAC\xE2\x80\xAD\xE2\x80\xAE", 100),
            "\\u202a\\u202b\\u202c\\u202d\\u202e");
  EXPECT_EQ(clean_text("\xE2\x81\xA6\xE2\x81\xA7\xE2\x81\xA8\xE2\x81\xA9", 100),
            "\\u2066\\u2067\\u2068\\u2069");
  EXPECT_EQ(clean_text("\xE2\x80\x8E\xE2\x80\x8F\xD8\x9C", 100), "\\u200e\\u200f\\u061c");
  // Their neighbours stay.
  EXPECT_EQ(clean_text("\xE2\x80\xAF\xE2\x81\xA5\xE2\x81\xAA", 100),
            "\xE2\x80\xAF\xE2\x81\xA5\xE2\x81\xAA");
}

TEST(CleanText, ReplacesBytesThatAreNoUtf8) {
  const std::string bad = "\xEF\xBF\xBD";
  EXPECT_EQ(clean_text("a\xFF\xFE"
                       "b",
                       100),
            "a" + bad + bad + "b");
  EXPECT_EQ(clean_text("\x80", 100), bad);                                // a continuation alone
  EXPECT_EQ(clean_text("\xC0\xAF", 100), bad + bad);                      // overlong
  EXPECT_EQ(clean_text("\xE0\x80\xAF", 100), bad + bad + bad);            // overlong
  EXPECT_EQ(clean_text("\xED\xA0\x80", 100), bad + bad + bad);            // a surrogate
  EXPECT_EQ(clean_text("\xF4\x90\x80\x80", 100), bad + bad + bad + bad);  // beyond U+10FFFF
  EXPECT_EQ(clean_text("\xE2\x82", 100), bad);                            // cut short: one for both
  EXPECT_EQ(clean_text("\xF0\x9F\x98", 100), bad);
  EXPECT_EQ(clean_text("\xE2\x82!", 100), bad + "!");
}

TEST(CleanText, CutsAtCodePointsAndSaysSo) {
  EXPECT_EQ(clean_text("12345", 5), "12345");
  EXPECT_EQ(clean_text("123456", 5), "12...");
  EXPECT_EQ(clean_text("äöüäöü", 5), "äö...");
  EXPECT_EQ(clean_text("äöüäö", 5), "äöüäö");
  EXPECT_EQ(clean_text("123456", 3), "...");
  EXPECT_EQ(clean_text("123456", 2), "..");
  EXPECT_EQ(clean_text("123456", 0), "");
  EXPECT_EQ(clean_text("", 0), "");
}

TEST(CleanText, NeverCutsWithinAnEscape) {
  EXPECT_EQ(clean_text("a\nb", 8), "a\\u000ab");
  EXPECT_EQ(clean_text("a\nb", 7), "a...");
  EXPECT_EQ(clean_text("\n\n", 11), "\\u000a...");
  EXPECT_EQ(clean_text("\n", 5), "...");
}

TEST(CleanText, GivesValidUtf8OfBoundedLengthForAnyBytes) {
  unsigned seed = 4711;
  for (int round = 0; round < 2000; ++round) {
    std::string bytes;
    for (unsigned length = (seed >> 8) % 40; bytes.size() < length;) {
      seed = seed * 1664525U + 1013904223U;
      bytes += static_cast<char>(seed >> 24);
    }
    seed = seed * 1664525U + 1013904223U;
    const std::string clean = clean_text(bytes, 16);
    ASSERT_TRUE(is_valid_utf8(clean));
    std::size_t code_points = 0;
    for (const char c : clean)
      code_points += (static_cast<unsigned char>(c) & 0xC0) != 0x80;
    ASSERT_LE(code_points, 16U);
    ASSERT_EQ(clean_text(clean, 16), clean);
  }
}

TEST(Utf8, IsToldFromOtherBytes) {
  EXPECT_TRUE(is_valid_utf8(""));
  EXPECT_TRUE(is_valid_utf8("Größe 😀\n"));
  EXPECT_TRUE(is_valid_utf8("\xF4\x8F\xBF\xBF"));
  EXPECT_FALSE(is_valid_utf8("\xF5\x80\x80\x80"));
  EXPECT_FALSE(is_valid_utf8("\xC1\x81"));
  EXPECT_FALSE(is_valid_utf8("ok\xE2\x82"));
}

TEST(AGlob, MatchesAsAShellDoes) {
  EXPECT_TRUE(glob_match("*", "", false));
  EXPECT_TRUE(glob_match("", "", false));
  EXPECT_FALSE(glob_match("", "a", false));
  EXPECT_FALSE(glob_match("a", "", false));
  EXPECT_TRUE(glob_match("smtp*", "smtpsvc", false));
  EXPECT_TRUE(glob_match("*svc", "smtpsvc", false));
  EXPECT_TRUE(glob_match("s*t*svc", "smtpsvc", false));
  EXPECT_FALSE(glob_match("s*x*svc", "smtpsvc", false));
  EXPECT_TRUE(glob_match("smtp?vc", "smtpsvc", false));
  EXPECT_FALSE(glob_match("smtpsvc?", "smtpsvc", false));
  EXPECT_TRUE(glob_match("**", "x", false));
  EXPECT_TRUE(glob_match("a*b*c", "aXbXbXc", false));
  EXPECT_FALSE(glob_match("a[bc]", "ab", false));  // nothing else is special
  EXPECT_TRUE(glob_match("a[bc]", "a[bc]", false));
}

TEST(AGlob, TellsCaseApartUnlessAskedNotTo) {
  EXPECT_FALSE(glob_match("W3SVC", "w3svc", false));
  EXPECT_TRUE(glob_match("W3SVC", "w3svc", true));
  EXPECT_TRUE(glob_match("w3*", "W3SVC", true));
  EXPECT_FALSE(glob_match("@", "`", true));
}

TEST(AGlob, CountsCharactersNotBytes) {
  EXPECT_TRUE(glob_match("?", "€", false));
  EXPECT_FALSE(glob_match("??", "€", false));
  EXPECT_FALSE(glob_match("*??", "€", false));
  EXPECT_TRUE(glob_match("*?", "€", false));
}

TEST(AGlob, StaysQuickOnHostilePatterns) {
  std::string pattern;
  for (int n = 0; n < 30; ++n)
    pattern += "a*";
  EXPECT_FALSE(glob_match(pattern + "b", std::string(5000, 'a'), false));
}

TEST(ListOfNames, IsCutForSentences) {
  EXPECT_EQ(list_names(std::vector<std::string>{}), "");
  EXPECT_EQ(list_names(std::vector<std::string>{"a", "b"}), "a, b");
  EXPECT_EQ(list_names(std::vector<std::string>{"a", "b", "c", "d"}, 2), "a, b and 2 more");
}

}  // namespace
}  // namespace noforce
