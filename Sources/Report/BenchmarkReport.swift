import ClassAveraging
import Foundation

/// What `kindred benchmark` prints.
public struct BenchmarkReport: Codable, Sendable {
  let pairs: Int
  let components: Int
  let frequencies: Int
  let angles: Int
  let ranks: Int
  let cores: Int
  let seconds: Double
  let pairsPerSecondAndCore: Double
  let operationsPerPair: Int
  let gigaflopsPerCore: Double
  let matrixProductGigaflopsPerCore: Double
  let shareOfMatrixProduct: Double
  let busySeconds: [Double]
  let imbalance: Double

  /// What there is to say about `result`.
  public init(_ result: SearchBenchmark.Result) {
    pairs = result.pairs
    components = result.components
    frequencies = result.frequencies
    angles = result.angles
    ranks = result.busySeconds.count
    cores = result.cores
    seconds = result.seconds
    pairsPerSecondAndCore = result.pairRate
    operationsPerPair = result.operationsPerPair
    gigaflopsPerCore = result.pairRate * Double(result.operationsPerPair) / 1e9
    matrixProductGigaflopsPerCore = result.matrixProductRate / 1e9
    shareOfMatrixProduct = result.share
    busySeconds = result.busySeconds
    imbalance = result.imbalance
  }

  /// One JSON object on one line, keys sorted and with underscores, without a newline.
  public func json() throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys]
    encoder.keyEncodingStrategy = .convertToSnakeCase
    return String(decoding: try encoder.encode(self), as: UTF8.self)
  }

  /// The measures as lines for people, without a newline at the end.
  public var text: String {
    let rows = [
      ("Pairs, all rotations, both reflections", Format.count(pairs)),
      ("Coefficients, frequencies, angles", "\(components), \(frequencies), \(angles)"),
      ("Ranks, cores", "\(ranks), \(cores)"),
      ("Time", Format.duration(seconds)),
      ("Pairs per second and core", Format.count(Int(pairsPerSecondAndCore))),
      ("Operations per pair", Format.count(operationsPerPair)),
      ("  per second and core", Format.fixed(gigaflopsPerCore, 1) + " Gflop/s"),
      (
        "  of single-precision matrix products there",
        Format.fixed(matrixProductGigaflopsPerCore, 1) + " Gflop/s"
      ),
      ("  share", Format.percent(shareOfMatrixProduct)),
      ("The busiest rank above the mean", Format.percent(imbalance)),
    ]
    let width = rows.map(\.0.count).max()!
    return rows.map { Format.left($0.0, width) + "  " + $0.1 }.joined(separator: "\n")
  }
}
