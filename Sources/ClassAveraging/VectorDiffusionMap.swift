import Foundation
import LinearAlgebra
import MPI

/// The vector diffusion map of a connection graph (Singer and Wu 2012; Zhao and Singer 2014; method E.7):
/// each image becomes a complex vector v_i of the top eigenvectors u_l, weighted by lambda_l^t, such that
///
///     |v_j^H v_i|^2 = |sum_l lambda_l^{2t} u_l(i) conj u_l(j)|^2
///
/// sums over all paths of length 2t between two images, and is large where they are many and agree on
/// the rotation. The node of j's reflection has conj(v_j). Vectors are normalised, so the affinity lies
/// between 0 and 1.
public struct VectorDiffusionMap {
  /// The search that finds the graph.
  public enum Graph: String, Sendable, CaseIterable {
    case rir
    case allPairs = "all-pairs"

    var search: SuspectSearch {
      switch self {
      case .rir: .rir
      case .allPairs: .allPairs
      }
    }
  }

  public struct Options: Sendable {
    public var graph = Graph.rir
    /// Neighbours of each image that share an edge with it.
    public var neighbours = 20
    /// m, eigenvectors: 24 is 3 + 5 + 7 + 9, the first four multiplets on the sphere of views.
    public var eigenvectors = 100
    /// t, the diffusion time.
    public var time = 2

    public init() {}

    /// - Throws: `OptionError` where the numbers do not fit together.
    func validate(images: Int, neighbours k: Int) throws {
      if neighbours < k {
        throw OptionError(
          "--vdm-neighbours is \(neighbours), fewer than the \(k) neighbours of --neighbours")
      }
      if neighbours >= images {
        throw OptionError(
          "--vdm-neighbours is \(neighbours), but each of \(images) images has only "
            + "\(images - 1) others")
      }
      if eigenvectors < 1 || eigenvectors >= 2 * images {
        throw OptionError(
          "--vdm-eigenvectors is \(eigenvectors); 1 to \(2 * images - 1) fit \(images) images")
      }
      if time < 0 { throw OptionError("--vdm-time is \(time); at least 0 is needed") }
    }
  }

  /// Descending, between -1 and 1; the same on every rank.
  let eigenvalues: [Double]
  /// v of this rank's images, of length 1, or 0 where the eigenvectors do not reach an image (a small part
  /// of the graph of its own): count x 2m, the real parts of one image and then its imaginary parts.
  let coordinates: [Double]

  /// Collective.
  /// - Throws: `PARPACKError` where the eigenvectors do not converge.
  init(
    _ graph: ConnectionGraph, partition: Partition, eigenvectors m: Int, time: Int,
    on comm: Communicator, progress: ((Int) -> Void)? = nil
  ) throws {
    let images = graph.images
    let order = 2 * partition.total
    var products = 0
    let system = try DistributedLanczos(
      largest: m, order: order, rows: 2 * images.lowerBound..<2 * images.upperBound, over: comm
    ) { x, y in
      try graph.multiply(x, into: y)
      products += 1
      progress?(products)
    }
    eigenvalues = system.values
    // Relative to the largest, which leaves normalised vectors as they are.
    let largest = max(system.values[0], .leastNormalMagnitude)
    let weights = system.values.map { pow(max(0, $0) / largest, Double(time)) }
    // The mean of sum_l |u_l(i)|^2 is m / n: less than a part of it is rounding.
    let floor = 1e-14 * Double(m) / Double(partition.total)
    var coordinates = [Double](repeating: 0, count: images.count * 2 * m)
    for at in images.indices {
      let image = at - images.lowerBound
      let start = image * 2 * m
      var (energy, norm) = (0.0, 0.0)
      for l in 0..<m {
        let place = l * 2 * images.count + 2 * image
        let (re, im) = (system.vectors[place], system.vectors[place + 1])
        energy += re * re + im * im
        coordinates[start + l] = weights[l] * re
        coordinates[start + m + l] = weights[l] * im
        norm += weights[l] * weights[l] * (re * re + im * im)
      }
      let scale = energy > floor && norm > 0 ? 1 / norm.squareRoot() : 0
      for i in start..<start + 2 * m { coordinates[i] *= scale }
    }
    self.coordinates = coordinates
  }

  /// The K nearest neighbours by the affinity of the graph that `table` lists, aligned by the pairs'
  /// best rotations; the affinity reported is the map's. On rank 0 (empty elsewhere). Collective; leaves
  /// the observer in the stage of the alignment.
  static func reordered(
    _ table: NeighbourTable, options: Options, neighboursPerImage: Int, scoring: SuspectScoring
  ) throws -> NeighbourTable {
    let (comm, observer, partition) = (scoring.comm, scoring.observer, scoring.rows.partition)
    setBLASThreads(scoring.threads)
    defer { setBLASThreads(1) }
    observer.stageBegan("diffusion map", items: 0)
    let graph = try ConnectionGraph(
      table, neighboursPerImage: options.neighbours, partition: partition,
      threads: scoring.threads, on: comm)
    let map = try VectorDiffusionMap(
      graph, partition: partition, eigenvectors: options.eigenvectors, time: options.time,
      on: comm, progress: { observer.stageAdvanced(to: $0) })
    observer.stageEnded()
    observer.stageBegan("diffusion search", items: partition.parts)
    let found = try DiffusionSearch(
      map, graph: graph, partition: partition, suspectCount: neighboursPerImage, on: comm,
      observer: observer)
    observer.stageEnded()
    observer.stageBegan("alignment", items: 0)
    return try scoring.aligned(found, neighboursPerImage: neighboursPerImage)
  }
}
