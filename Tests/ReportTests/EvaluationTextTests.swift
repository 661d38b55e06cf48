import Testing

@testable import Evaluation

/// The table that `kindred evaluate` prints.
@Suite struct EvaluationTextTests {
  @Test func aTableForPeople() {
    let summary = EvaluationSummary(
      images: 1000, neighbours: 1, correlations: [0.95, 0.5, 0.9], angles: [4.5, 180, 12],
      rotationErrors: [0.5], averageCorrelations: nil)
    #expect(
      summary.text.hasPrefix(
        """
        Images                                            1,000
        Neighbours of each                                1
        Pairs                                             3
        Pairs whose clean images correlate > 0.9          1 (33.3 %)
        """))
  }
}
