// How controls go out: with a reason, each by itself, on threads that may be held up.
#include "core/scm/windows/control_crew.hpp"

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/windows/a_paper_scm.hpp"

namespace noforce::windows::testing {
namespace {

using ::testing::ElementsAre;

TEST_F(APaperScm, HearsJobAndPrincipalAsTheReasonOfAStop) {
  paper_->add("W3SVC");
  paper_->run("W3SVC");
  ASSERT_TRUE(begin());
  ASSERT_TRUE(control(ControlOp::stop, "W3SVC"));
  EXPECT_THAT(paper_->reasons(), ElementsAre("40040002 noforce job 01KB by me"));
}

TEST_F(APaperScm, IsSentAPlainStopWhereItTakesNoReasons) {
  paper_->without_reasons();
  paper_->add("W3SVC");
  paper_->run("W3SVC");
  ASSERT_TRUE(begin());
  ASSERT_TRUE(control(ControlOp::stop, "W3SVC"));
  EXPECT_THAT(paper_->sent(), ElementsAre("1 W3SVC"));
}

TEST_F(APaperScm, TakesAReasonOf127CharactersAtMost) {
  EXPECT_EQ(cut_comment(std::string(200, 'x')), std::string(127, 'x'));
  std::string umlauts;
  for (int n = 0; n < 200; ++n)
    umlauts += "\xC3\xBC";
  EXPECT_EQ(cut_comment(umlauts).size(), 2U * 127U);
  EXPECT_EQ(cut_comment("short"), "short");
}

TEST_F(APaperScm, ThatIsBusyWithOneServiceBlocksNeitherTheOthersNorThePicture) {
  Gate gate;
  paper_->add("Busy", {.answers = [&](std::uint32_t) {
                gate.pass();
                return code::request_timeout;
              }});
  paper_->add("W3SVC");
  paper_->run("Busy");
  ASSERT_TRUE(begin());
  const auto busy = send(ControlOp::stop, "Busy");
  ASSERT_TRUE(gate.wait_for(1));
  EXPECT_TRUE(control(ControlOp::start, "W3SVC"));
  EXPECT_EQ(service("W3SVC").state, ServiceState::running);
  EXPECT_FALSE(listener_.answer(busy));
  gate.open();
  EXPECT_FALSE(answer(busy));
}

TEST_F(APaperScm, IsNeverSentTwoControlsOfOneServiceAtOnceNorMoreThanTheBound) {
  Gate gate;
  constexpr int kMany = static_cast<int>(ControlCrew::kMost) + 4;
  for (int n = 0; n < kMany; ++n) {
    const std::string name = "Busy" + std::to_string(n);
    paper_->add(name, {.answers = [&](std::uint32_t) {
                  gate.pass();
                  return code::success;
                }});
    paper_->run(name);
  }
  ASSERT_TRUE(begin());
  std::vector<ControlToken> tokens;
  tokens.push_back(send(ControlOp::pause, "Busy0"));
  tokens.push_back(send(ControlOp::resume, "Busy0"));
  for (int n = 1; n < kMany; ++n)
    tokens.push_back(send(ControlOp::pause, "Busy" + std::to_string(n)));
  ASSERT_TRUE(gate.wait_for(static_cast<int>(ControlCrew::kMost)));
  const auto sent = paper_->sent();
  EXPECT_EQ(sent.size(), ControlCrew::kMost);
  EXPECT_EQ(std::count(sent.begin(), sent.end(), "3 Busy0"), 0);
  gate.open();
  for (const auto& token : tokens)
    EXPECT_TRUE(answer(token));
  EXPECT_EQ(paper_->sent().size(), tokens.size());
}

TEST_F(APaperScm, DoesNotHoldUpTheAgentsEndWithACallThatBlocks) {
  auto gate = std::make_shared<Gate>();
  paper_->add("Busy", {.answers = [gate](std::uint32_t) {
                gate->pass();
                return code::success;
              }});
  paper_->run("Busy");
  ASSERT_TRUE(begin());
  const auto token = send(ControlOp::stop, "Busy");
  ASSERT_TRUE(gate->wait_for(1));
  scm_->stop();
  EXPECT_FALSE(listener_.answer(token));
  gate->open();
}

}  // namespace
}  // namespace noforce::windows::testing
