import Testing

@testable import Report

@Suite struct StageTableTests {
  private typealias Measurement = StageTable.Measurement

  @Test func sumsUpOverRanksAndPrintsColumns() {
    let mebibyte = 1_048_576.0
    // Rank 1 works 30 s where rank 0 works 10 s and waits.
    let table = StageTable(
      names: ["read particles", "rank suspects"],
      measurements: [
        [
          Measurement(wall: 5, communication: 0, peakBytes: 100 * mebibyte),
          Measurement(wall: 30, communication: 20, peakBytes: 1500 * mebibyte),
        ],
        [
          Measurement(wall: 7, communication: 2, peakBytes: 120 * mebibyte),
          Measurement(wall: 100, communication: 70, peakBytes: 900 * mebibyte),
        ],
      ])
    #expect(table.stages[1].imbalance == 0.5)
    #expect(table.stages[1].rankPeakBytes == [1500 << 20, 900 << 20])
    #expect(abs(table.stages[1].share - 65.0 / 71) < 1e-15)
    #expect(
      table.text == """
        Stage                 Mean     Maximum   Share  Imbalance  Communication  Peak MiB
        ----------------------------------------------------------------------------------
        read particles      6.00 s      7.00 s   8.5 %      0.0 %         16.7 %       120
        rank suspects   1 min 05 s  1 min 40 s  91.5 %     50.0 %         69.2 %     1,500
        ----------------------------------------------------------------------------------
        Total           1 min 11 s                                        64.8 %     1,500
        rank suspects: the slowest rank works 50.0 % longer than the mean; see that no rank shares \
        its processors and that the nodes are alike.
        rank suspects: 69.2 % of the time goes into communication and waiting; fewer ranks, each \
        with more threads, may be faster.

        """)
  }

  @Test func advisesOnlyAboveTheBarsAndOnLargeStages() {
    func advice(imbalance: Double, communication: Double, share: Double) -> Int {
      var table = StageTable(names: [], measurements: [[]])
      table.stages = [
        StageSummary(
          name: "a", meanSeconds: 10, maximumSeconds: 10, share: share, imbalance: imbalance,
          communicationShare: communication, peakBytes: 0)
      ]
      return table.advice.count
    }
    #expect(advice(imbalance: 0.1, communication: 0.2, share: 1) == 0)
    #expect(advice(imbalance: 0.11, communication: 0.2, share: 1) == 1)
    #expect(advice(imbalance: 0.1, communication: 0.21, share: 1) == 1)
    #expect(advice(imbalance: 0.9, communication: 0.9, share: 0.04) == 0)
  }

  @Test(arguments: [
    (0.004, "0.00 s"), (9.99, "9.99 s"), (9.996, "10.0 s"), (59.9, "59.9 s"), (59.96, "1 min 00 s"),
    (3599.4, "59 min 59 s"), (3599.6, "1 h 00 min"), (7620, "2 h 07 min"),
  ])
  func durations(seconds: Double, text: String) {
    #expect(Format.duration(seconds) == text)
  }
}
