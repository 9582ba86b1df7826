#include "core/scm/supervisor/notify_socket.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstring>
#include <filesystem>
#include <string>

#include <gtest/gtest.h>

#include "core/scm/supervisor/notify.hpp"

namespace noforce::supervisor {
namespace {

// A service's end of it.
class Speaker {
 public:
  explicit Speaker(const std::string& address)
      : fd_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    std::memcpy(name.sun_path + 1, address.data(), address.size());
    const auto size = offsetof(sockaddr_un, sun_path) + 1 + address.size();
    EXPECT_EQ(::connect(fd_.get(), reinterpret_cast<const sockaddr*>(&name),
                        static_cast<socklen_t>(size)),
              0);
  }

  void say(std::string text, int descriptor = -1) const {
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
    iovec part{.iov_base = text.data(), .iov_len = text.size()};
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    if (descriptor >= 0) {
      header.msg_control = control.data();
      header.msg_controllen = control.size();
      cmsghdr* rights = CMSG_FIRSTHDR(&header);
      rights->cmsg_level = SOL_SOCKET;
      rights->cmsg_type = SCM_RIGHTS;
      rights->cmsg_len = CMSG_LEN(sizeof(int));
      std::memcpy(CMSG_DATA(rights), &descriptor, sizeof descriptor);
    }
    ASSERT_EQ(::sendmsg(fd_.get(), &header, 0), static_cast<ssize_t>(text.size()));
  }

 private:
  Fd fd_;
};

std::ptrdiff_t open_descriptors() {
  const std::filesystem::directory_iterator all("/proc/self/fd");
  return std::distance(begin(all), end(all));
}

class ANotifySocket : public ::testing::Test {
 protected:
  std::string address_ = NotifySocket::new_address();
  NotifySocket socket_ = *NotifySocket::bind(address_);
  Speaker speaker_{address_};
};

TEST_F(ANotifySocket, KeepsAMessageForTheNextKeeperUntilItIsDropped) {
  const Fd held = socket_.duplicate();  // as the agent does
  speaker_.say("READY=1");
  EXPECT_EQ(socket_.peek()->text, "READY=1");
  NotifySocket next(Fd(::fcntl(held.get(), F_DUPFD_CLOEXEC, 0)));
  const auto again = next.peek();
  ASSERT_TRUE(again);
  EXPECT_EQ(again->text, "READY=1");
  EXPECT_EQ(again->sender, ::getpid());
  next.drop();
  EXPECT_FALSE(next.peek());
  EXPECT_FALSE(socket_.peek());
}

TEST_F(ANotifySocket, DropsTheOneThatWasSeenWhenAnotherCameMeanwhile) {
  speaker_.say("STATUS=first");
  EXPECT_EQ(socket_.peek()->text, "STATUS=first");
  speaker_.say("STATUS=second");
  socket_.drop();
  EXPECT_EQ(socket_.peek()->text, "STATUS=second");
  socket_.drop();
  EXPECT_FALSE(socket_.peek());
}

TEST_F(ANotifySocket, LetsABarrierPassWhenItsMessageIsDroppedAndNotBefore) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
  const Fd waits(ends[0]);
  Fd barrier(ends[1]);
  speaker_.say("BARRIER=1", barrier.get());
  barrier.reset();
  const auto before = open_descriptors();
  pollfd passed{.fd = waits.get(), .events = 0, .revents = 0};
  for (int i = 0; i < 3; ++i) {
    const auto seen = socket_.peek();
    ASSERT_TRUE(seen);
    EXPECT_EQ(seen->text, "BARRIER=1");
    EXPECT_EQ(seen->sender, ::getpid());
  }
  EXPECT_EQ(open_descriptors(), before);
  EXPECT_EQ(::poll(&passed, 1, 0), 0);
  socket_.drop();
  EXPECT_EQ(::poll(&passed, 1, 0), 1);
  EXPECT_TRUE((passed.revents & POLLHUP) != 0);
  EXPECT_EQ(open_descriptors(), before);
}

TEST_F(ANotifySocket, IsNotBlockedByAMessageThatIsTooLargeOrEmpty) {
  speaker_.say("STATUS=" + std::string(kMaxNotify, 'x'));
  speaker_.say("");
  speaker_.say("READY=1");
  EXPECT_EQ(socket_.peek()->text, "");
  socket_.drop();
  EXPECT_EQ(socket_.peek()->text, "");
  socket_.drop();
  EXPECT_EQ(socket_.peek()->text, "READY=1");
  socket_.drop();
  socket_.drop();  // of nothing: nothing
  EXPECT_FALSE(socket_.peek());
}

}  // namespace
}  // namespace noforce::supervisor
