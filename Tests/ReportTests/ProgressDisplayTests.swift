import Foundation
import Testing

@testable import Report

@Suite struct ProgressDisplayTests {
  @Test func timeLeftFollowsTheMeanPace() {
    #expect(ProgressDisplay.timeLeft(done: 0, of: 10, elapsed: 5) == nil)
    #expect(ProgressDisplay.timeLeft(done: 2, of: 10, elapsed: 5) == 20)
    #expect(ProgressDisplay.timeLeft(done: 10, of: 10, elapsed: 5) == 0)
    #expect(ProgressDisplay.timeLeft(done: 11, of: 10, elapsed: 5) == 0)
  }

  @Test func barShowsPartAndTimeLeft() {
    #expect(
      ProgressDisplay.bar("search", done: 2500, of: 10000, elapsed: 30)
        == "search [======                  ]  25 %, 1 min 30 s left")
    #expect(
      ProgressDisplay.bar("search", done: 0, of: 10, elapsed: 0)
        == "search [                        ]   0 %")
    #expect(ProgressDisplay.bar("search", done: 0, of: 0, elapsed: 12) == "search: 12 s")
  }

  @Test func barIsRedrawnAtMostTenTimesASecond() {
    var text: [String] = []
    var time = 0.0
    let display = ProgressDisplay(
      style: .bar, write: { text.append($0) }, now: { time }, date: { Date() })
    display.began("search", items: 1000)
    for done in 1...1000 {
      time = Double(done) / 1000
      display.advanced(to: done)
    }
    #expect((10...11).contains(text.count))
    display.ended()
    #expect(text.last == "\r\u{1B}[Ksearch: 1.00 s\n")
  }

  @Test func filesGetOneLineAtEachEnd() {
    var text = ""
    var time = 0.0
    let display = ProgressDisplay(
      style: .lines, write: { text += $0 }, now: { time },
      date: { Date(timeIntervalSince1970: 1_767_323_045 + time) })
    display.began("search", items: 12345)
    time = 75
    display.advanced(to: 100)
    display.ended()
    #expect(
      text == """
        2026-01-02T03:04:05Z  search: begins (12,345 items on this rank)
        2026-01-02T03:05:20Z  search: done after 1 min 15 s

        """)
  }
}
