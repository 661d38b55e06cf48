import Evaluation

extension EvaluationSummary {
  /// The measures as lines for people. Ends with a newline.
  public var text: String {
    func number(_ value: Double?, _ digits: Int, _ unit: String = "") -> String {
      value.map { Format.fixed($0, digits) + unit } ?? "none"
    }
    func percent(_ value: Double?) -> String { value.map(Format.percent) ?? "none" }
    let trueShare = pairs > 0 ? Double(trueNeighbours) / Double(pairs) : nil
    var rows: [(String, String)] = [
      ("Images", Format.count(images)),
      ("Neighbours of each", Format.count(neighbours)),
      ("Pairs", Format.count(pairs)),
      (
        "Pairs whose clean images correlate > 0.9",
        "\(Format.count(trueNeighbours)) (\(percent(trueShare)))"
      ),
      ("Median correlation of clean images", number(medianCorrelation, 4)),
      ("Angle between viewing directions, median", number(medianAngle, 2, " deg")),
      ("  below 5 deg", percent(below5Degrees)),
      ("  below 10 deg", percent(below10Degrees)),
      ("  below 20 deg", percent(below20Degrees)),
      (
        "Error of in-plane rotation (pairs > 0.9), median",
        number(medianRotationError, 2, " deg")
      ),
      ("  90th percentile", number(rotationError90thPercentile, 2, " deg")),
    ]
    if let averages {
      rows += [
        ("Averages", Format.count(averages)),
        ("Correlation with the own clean image, median", number(averageCorrelationMedian, 4)),
        ("  lower quartile", number(averageCorrelationLowerQuartile, 4)),
        ("  upper quartile", number(averageCorrelationUpperQuartile, 4)),
      ]
    } else {
      rows.append(("Averages", "none in this run"))
    }
    for bin in reliability ?? [] {
      rows.append(
        (
          "Probability \(bin.decile * 10) to \(bin.decile * 10 + 10) %: true",
          "\(percent(bin.trueShare)); mean probability \(percent(bin.meanProbability)), "
            + "\(Format.count(bin.pairs)) pairs"
        ))
    }
    let width = rows.map(\.0.count).max()!
    return rows.map { Format.left($0.0, width) + "  " + $0.1 + "\n" }.joined()
  }
}
