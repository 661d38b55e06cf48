import Execution
import Foundation
import LinearAlgebra
import MPI

/// The vector diffusion map of a connection graph (Singer and Wu 2012; Zhao and Singer 2014; method E.7):
/// each image becomes a complex vector v_i of the top eigenvectors u_l, weighted by lambda_l^t, such that
///
///     |v_j^H v_i|^2 = |sum_l lambda_l^{2t} u_l(i) conj u_l(j)|^2
///
/// sums over all paths of length 2t between two images, and is large where they are many and agree on
/// the rotation. The node of j's reflection has conj(v_j). With several angular frequencies k, the
/// matrices of e^{i k alpha} have a vector each, and the affinity is the sum over k (Fan and Zhao 2019,
/// multi-frequency vector diffusion maps). Vectors are normalised to affinity 1 of an image with itself.
public struct VectorDiffusionMap {
  /// The search that finds the graph.
  public enum Graph: String, Sendable, CaseIterable {
    /// By rotationally invariant features.
    case rir
    /// By comparing all pairs.
    case allPairs = "all-pairs"
  }

  /// How the map is made.
  public struct Options: Sendable {
    /// What finds the graph.
    public var graph = Graph.rir
    /// Neighbours of each image that share an edge with it.
    public var neighbours = 20
    /// m, eigenvectors of each frequency's matrix of order 2n; 2n - 1 where there are fewer.
    public var eigenvectors = 100
    /// The angular frequencies 1, 2, ... of the connections; 1 alone is Singer and Wu's map.
    public var frequencies = 1
    /// t, the diffusion time.
    public var time = 2

    /// The defaults.
    public init() {}

    /// - Parameter k: neighbours that are to be found among the graph's.
    /// - Throws: `OptionError` where a value is out of range.
    func validate(neighbours k: Int) throws {
      if neighbours < k {
        throw OptionError.tooFewForNeighbours(.vdmNeighbours, found: neighbours, neighbours: k)
      }
      try require(eigenvectors >= 1, .vdmEigenvectors, eigenvectors, .atLeast(1))
      try require(frequencies >= 1, .vdmFrequencies, frequencies, .atLeast(1))
      try require(time >= 0, .vdmTime, time, .atLeast(0))
    }
  }

  /// Of each frequency, descending, between -1 and 1; the same on every rank.
  let eigenvalues: [[Double]]
  /// v of this rank's images, normalised; 0 where the eigenvectors do not reach an image (a small part of
  /// the graph of its own): image by image, frequency by frequency, the m real parts and then the m imaginary
  /// parts.
  let coordinates: [Double]
  /// m, and the number of frequencies.
  let eigenvectors: Int
  let frequencies: Int

  /// Collective.
  /// - Parameter progress: called after each product of the matrix with a vector with their number.
  /// - Throws: `PARPACKError` where the eigenvectors do not converge; what `progress` throws.
  init(
    _ graph: ConnectionGraph, partition: Partition, options: Options, on comm: Communicator,
    progress: ((Int) throws -> Void)? = nil
  ) throws {
    let m = min(options.eigenvectors, 2 * partition.total - 1)
    let frequencies = options.frequencies
    let images = graph.images
    let width = 2 * m * frequencies
    var eigenvalues: [[Double]] = []
    var coordinates = [Double](repeating: 0, count: images.count * width)
    // sum_kl |u_l(i)|^2, and sum_k |v_k|^4.
    var reach = [Double](repeating: 0, count: images.count)
    var norms = reach
    var products = 0
    for k in 0..<frequencies {
      let connection = graph.connection(frequency: k + 1)
      let system = try DistributedLanczos(
        largest: m, order: 2 * partition.total,
        rows: 2 * images.lowerBound..<2 * images.upperBound, over: comm
      ) { x, y in
        try connection.multiply(x, into: y)
        products += 1
        try progress?(products)
      }
      eigenvalues.append(system.values)
      // Relative to one of them, which leaves normalised vectors as they are.
      let largest = max(eigenvalues[0][0], .leastNormalMagnitude)
      let weights = system.values.map { pow(max(0, $0) / largest, Double(options.time)) }
      for image in 0..<images.count {
        let start = image * width + 2 * m * k
        var norm = 0.0
        for l in 0..<m {
          let place = l * 2 * images.count + 2 * image
          let (re, im) = (system.vectors[place], system.vectors[place + 1])
          reach[image] += re * re + im * im
          norm += weights[l] * weights[l] * (re * re + im * im)
          coordinates[start + l] = weights[l] * re
          coordinates[start + m + l] = weights[l] * im
        }
        norms[image] += norm * norm
      }
    }
    // The mean of |u_l(i)|^2 is 1 / n: less than a part of it is rounding.
    let floor = 1e-14 * Double(m * frequencies) / Double(partition.total)
    for image in 0..<images.count {
      let isReached = reach[image] > floor && norms[image] > 0
      let scale = isReached ? 1 / norms[image].squareRoot().squareRoot() : 0
      for i in image * width..<(image + 1) * width { coordinates[i] *= scale }
    }
    self.eigenvalues = eigenvalues
    self.coordinates = coordinates
    (eigenvectors, self.frequencies) = (m, frequencies)
  }

  /// The K nearest neighbours by the affinity of the graph that `table` lists, aligned by the pairs'
  /// best rotations; the affinity reported is the map's. On every rank. Collective.
  static func reordered(
    _ table: NeighbourTable, options: Options, neighboursPerImage: Int, scoring: CandidateScoring
  ) throws -> NeighbourTable {
    let (comm, observer, partition) = (scoring.comm, scoring.observer, scoring.rows.partition)
    return try withBLASThreads(scoring.threads) {
      observer.stageBegan(StageName.diffusionMap, items: 0)
      let graph = try ConnectionGraph(
        table, neighboursPerImage: options.neighbours, partition: partition,
        threads: scoring.threads, on: comm)
      let map = try VectorDiffusionMap(
        graph, partition: partition, options: options, on: comm,
        progress: { try observer.stageAdvanced(to: $0) })
      observer.stageEnded()
      observer.stageBegan(StageName.diffusionSearch, items: partition.parts)
      let found = try DiffusionSearch(
        map, graph: graph, partition: partition, candidateCount: neighboursPerImage, on: comm,
        observer: observer)
      observer.stageEnded()
      observer.stageBegan(StageName.alignment, items: 0)
      let nearest = try scoring.aligned(found, neighboursPerImage: neighboursPerImage)
      observer.stageEnded()
      return nearest
    }
  }
}
