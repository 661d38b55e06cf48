import Foundation
import ParticleIO

/// What `Evaluation` found, with the keys that its JSON has.
///
/// Quantiles are nil (absent in JSON) where there is nothing to take them from.
public struct EvaluationSummary: Codable, Sendable, Equatable {
  /// Neighbours whose clean images correlate above this are the true ones.
  public static let correlationBar = Float(TrueNeighbours.leastCorrelation)

  /// Images of the set.
  public var images: Int
  /// Neighbours looked at per image.
  public var neighbours: Int
  /// Pairs of an image and a neighbour.
  public var pairs: Int
  /// Pairs whose clean images correlate above 0.9 at the best in-plane rotation.
  public var trueNeighbours: Int
  /// The median over the pairs of the clean images' correlation.
  public var medianCorrelation: Double?

  /// The angle between viewing directions, in degrees, and the parts of the pairs below 5, 10 and 20.
  public var medianAngle: Double?
  /// The share of the pairs below 5 degrees.
  public var below5Degrees: Double?
  /// The share of the pairs below 10 degrees.
  public var below10Degrees: Double?
  /// The share of the pairs below 20 degrees.
  public var below20Degrees: Double?
  /// Pairs by that angle: bin b counts b ..< b + 1 degrees, the last bin also 180.
  public var angleHistogram: [Int]

  /// The error of the in-plane rotation of the true neighbours, in degrees.
  public var medianRotationError: Double?
  /// Nine tenths of the errors are below it, in degrees.
  public var rotationError90thPercentile: Double?

  /// Averages compared with their own clean images; nil where the run wrote none.
  public var averages: Int?
  /// The median of the averages' correlations with their clean images.
  public var averageCorrelationMedian: Double?
  /// A quarter of the correlations are below it.
  public var averageCorrelationLowerQuartile: Double?
  /// A quarter of the correlations are above it.
  public var averageCorrelationUpperQuartile: Double?

  /// How probabilities compare with the truth; nil where the run has none.
  public var reliability: [ReliabilityBin]?

  package enum CodingKeys: String, CodingKey {
    case images
    case neighbours
    case pairs
    case trueNeighbours = "above_0.9"
    case medianCorrelation = "median_correlation"
    case medianAngle = "median_angle_deg"
    case below5Degrees = "below_5_deg"
    case below10Degrees = "below_10_deg"
    case below20Degrees = "below_20_deg"
    case angleHistogram = "angle_histogram_1_deg"
    case medianRotationError = "median_rotation_error_deg"
    case rotationError90thPercentile = "rotation_error_90th_percentile_deg"
    case reliability
    case averages
    case averageCorrelationMedian = "average_correlation_median"
    case averageCorrelationLowerQuartile = "average_correlation_lower_quartile"
    case averageCorrelationUpperQuartile = "average_correlation_upper_quartile"
  }

  package init(
    images: Int, neighbours: Int, correlations: [Float], angles: [Double], rotationErrors: [Float],
    averageCorrelations: [Double]?, probabilities: [Float] = []
  ) {
    self.images = images
    self.neighbours = neighbours
    pairs = correlations.count
    trueNeighbours = correlations.count { $0 > Self.correlationBar }
    medianCorrelation = quantile(0.5, ofSorted: correlations.sorted())
    let sortedAngles = angles.sorted()
    medianAngle = quantile(0.5, ofSorted: sortedAngles)
    func share(below limit: Double) -> Double? {
      angles.isEmpty ? nil : Double(angles.count { $0 < limit }) / Double(angles.count)
    }
    below5Degrees = share(below: 5)
    below10Degrees = share(below: 10)
    below20Degrees = share(below: 20)
    angleHistogram = [Int](repeating: 0, count: 180)
    for angle in angles { angleHistogram[min(179, Int(angle))] += 1 }
    let errors = rotationErrors.sorted()
    medianRotationError = quantile(0.5, ofSorted: errors)
    rotationError90thPercentile = quantile(0.9, ofSorted: errors)
    reliability = ReliabilityBin.bins(probabilities, correlations)
    let sortedAverages = averageCorrelations?.sorted()
    averages = sortedAverages?.count
    averageCorrelationMedian = sortedAverages.flatMap { quantile(0.5, ofSorted: $0) }
    averageCorrelationLowerQuartile = sortedAverages.flatMap { quantile(0.25, ofSorted: $0) }
    averageCorrelationUpperQuartile = sortedAverages.flatMap { quantile(0.75, ofSorted: $0) }
  }

  /// One JSON object on one line, keys sorted, without a newline.
  public func json() throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys]
    return String(decoding: try encoder.encode(self), as: UTF8.self)
  }
}
