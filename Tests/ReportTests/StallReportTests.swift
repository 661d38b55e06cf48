import Testing

@testable import Report

@Suite struct StallReportTests {
  @Test func statesTravelAsFiles() throws {
    let states = [
      RankState(beat: 7, idle: 12, activity: .waiting("MPI_Recv"), stage: "all pairs"),
      RankState(beat: 123_456, idle: 0, activity: .blocked, stage: ""),
      RankState(beat: 1, idle: 99_999, activity: .computing, stage: "pass 2 averages"),
    ]
    for state in states {
      #expect(state.bytes.count == RankState.byteCount)
      #expect(RankState(state.bytes) == state)
    }
    // Caught half written, or something else.
    #expect(RankState(states[0].bytes.prefix(100)) == nil)
    #expect(RankState([UInt8](repeating: 0, count: RankState.byteCount)) == nil)
    // A stage of any length leaves the file as long as it is.
    #expect(RankState(stage: String(repeating: "x", count: 999)).bytes.count == RankState.byteCount)
  }

  @Test func ranksThatAreAlikeAreToldTogether() {
    func rank(_ activity: RankState.Activity, _ host: String, isAlive: Bool = true)
      -> StallReport.Rank
    {
      .init(host: host, state: RankState(activity: activity, stage: "covariance"), isAlive: isAlive)
    }
    let wait = RankState.Activity.waiting("MPI_Allreduce")
    let report = StallReport(
      ranks: [
        rank(wait, "a"), rank(wait, "a"), rank(.computing, "a"), rank(wait, "a"), rank(wait, "b"),
        rank(wait, "b", isAlive: false), .init(host: "b", state: nil, isAlive: false),
        rank(.blocked, "b"),
      ], seconds: 301.5)
    #expect(
      report.lines == [
        "warning: no progress for 301 s",
        "  waiting: ranks 0-1, 3 on a, in MPI_Allreduce (covariance)",
        "  waiting: rank 4 on b, in MPI_Allreduce (covariance)",
        "  waited for: rank 2 on a, outside communication (covariance)",
        "  waited for: rank 5 on b, silent: it is stopped, or its node has gone (covariance)",
        "  waited for: rank 6 on b, silent: it is stopped, or its node has gone",
        "  waited for: rank 7 on b, in the kernel, for a disk or network file system (covariance)",
      ])
    let all = StallReport(ranks: [rank(wait, "a")], seconds: 5)
    #expect(
      all.lines.last == "  all wait: for the network, or by a fault of the program")
  }
}
