import Execution
import Foundation
import ImageModel
import LinearAlgebra
import MPI

/// How fast this machine compares all pairs, on made-up images: turned copies of a few views with noise. The
/// processors' rate of single-precision matrix products is measured beside it, on all ranks and threads at
/// the same time, as the scale.
public struct SearchBenchmark {
  /// Images that are compared.
  public var images = 10_000
  /// Complex coefficients of an image.
  public var components = 170
  /// Defocus groups that they are of.
  public var defocusGroups = 20
  /// Threads of each rank.
  public var threads = 1

  /// The defaults.
  public init() {}

  /// What was measured.
  public struct Result: Sendable {
    /// Pairs that were compared.
    public let pairs: Int
    /// Complex coefficients of an image.
    public let components: Int
    /// Angular frequencies that they have.
    public let frequencies: Int
    /// Angles of the grid on which a pair is compared.
    public let angles: Int
    /// Ranks times threads.
    public let cores: Int
    /// Seconds that each rank spent comparing: without communication and waiting.
    public let busySeconds: [Double]
    /// Seconds of the whole search.
    public let seconds: Double
    /// Floating-point operations that a pair needs, both reflections.
    public let operationsPerPair: Int
    /// Operations per second and core of a product of 1024 x 1024 matrices.
    public let matrixProductRate: Double

    /// Pairs per second and core.
    public var pairRate: Double { Double(pairs) / seconds / Double(cores) }
    /// Operations that the pairs need as a share of what matrix products reach.
    public var share: Double { pairRate * Double(operationsPerPair) / matrixProductRate }
    /// By how much the busiest rank has more to do than the mean.
    public var imbalance: Double {
      let mean = busySeconds.reduce(0, +) / Double(busySeconds.count)
      return busySeconds.max()! / mean - 1
    }
  }

  /// Measures. Collective; the same result on every rank.
  public func run(on comm: Communicator) throws -> Result {
    try withBLASThreads(1) { try measure(on: comm) }
  }

  private func measure(on comm: Communicator) throws -> Result {
    let layout = Self.layout(components: components)
    let information = Self.information(layout, groups: defocusGroups)
    let model = try PairModel(layout: layout, information: information, affinity: .bayes)
    let groups = (0..<images).map { Int32($0 * 7 % defocusGroups) }
    let partition = Partition(of: images, among: comm.size)
    let own = partition.range(of: comm.rank)
    var statistics = SteerableCoefficients(layout: layout, count: own.count)
    for (at, image) in own.enumerated() {
      Self.fill(
        &statistics, at: at, image: image, views: max(1, images / 20),
        information: information[Int(groups[image])])
    }
    let rows = try CoefficientStore(statistics, partition: partition, on: comm)
    let clock = CommunicationClock()
    try comm.barrier()
    let start = Communicator.wallTime()
    _ = try AllPairsSearch(
      model: model, capacity: 20, threads: threads, comm: comm, observer: clock
    ).run(rows, groups: groups)
    let ownSeconds = Communicator.wallTime() - start
    let seconds = try comm.allreduce(ownSeconds, .maximum)
    let busy = try comm.allgatherRagged([ownSeconds - clock.seconds])
    let kernel = PairKernel(layout: layout)
    return Result(
      pairs: images * (images - 1) / 2, components: components, frequencies: layout.blockCount,
      angles: kernel.angles, cores: comm.size * threads, busySeconds: busy, seconds: seconds,
      operationsPerPair: kernel.operationsPerPair,
      matrixProductRate: try matrixProductRate(on: comm))
  }

  /// Blocks like those of particle images: fewer components for higher frequencies.
  static func layout(components: Int) -> AngularLayout {
    // r_k falls from r_0 to 1 along a line; about as many frequencies as eight times r_0.
    let first = max(1, Int((Double(components) / 4).squareRoot().rounded()))
    var counts: [Int] = []
    var left = components
    while left > 0 {
      let count = min(left, max(1, first - counts.count / 8))
      counts.append(count)
      left -= count
    }
    return AngularLayout(frequencies: Array(counts.indices), counts: counts)
  }

  /// F of each group: diagonal, weaker for higher frequencies and later components.
  private static func information(_ layout: AngularLayout, groups: Int) -> [[Matrix]] {
    (0..<groups).map { group in
      (0..<layout.blockCount).map { block in
        let r = layout.components(ofBlock: block).count
        var matrix = Matrix.identity(r)
        for i in 0..<r {
          let scale = 0.8 + 0.4 * Double(group) / Double(max(1, groups - 1))
          matrix[i, i] = 3 * scale / Double((1 + i) * (1 + block / 4))
        }
        return matrix
      }
    }
  }

  /// b = F x + F^{1/2} times noise of an image: a turned copy of one of the views.
  private static func fill(
    _ statistics: inout SteerableCoefficients, at: Int, image: Int, views: Int,
    information: [Matrix]
  ) {
    let view = image % views
    let angle = 2 * .pi * CounterRandom.uniform(seed: 3, counter: UInt64(image))
    let layout = statistics.layout
    layout.forEachPhase(of: angle) { block, k, phase in
      let (c, s) = (phase.x, phase.y)
      for (i, component) in layout.components(ofBlock: block).enumerated() {
        let clean = CounterRandom.normals(
          seed: 1, index: view * layout.componentCount + component)
        let noise = CounterRandom.normals(
          seed: 2, index: image * layout.componentCount + component)
        let f = information[block][i, i]
        let re = f * (clean.0 * c - clean.1 * s) + f.squareRoot() * noise.0
        let im = f * (clean.0 * s + clean.1 * c) + f.squareRoot() * noise.1
        statistics.setValue((Float(re), k == 0 ? 0 : Float(im)), image: at, component: component)
      }
    }
  }

  /// Operations per second of a core in single-precision matrix products, all cores at work: the median of
  /// the ranks. Collective.
  public func matrixProductRate(on comm: Communicator) throws -> Double {
    let order = 1024
    let a = [Float](repeating: 0.5, count: order * order)
    var c = a
    func product() {
      a.withUnsafeBufferPointer { a in
        c.withUnsafeMutableBufferPointer { c in
          multiply(
            a.baseAddress!, lda: order, a.baseAddress!, ldb: order, into: c.baseAddress!,
            ldc: order, m: order, n: order, k: order)
        }
      }
    }
    let times = try withBLASThreads(threads) {
      product()
      try comm.barrier()
      return (0..<20).map { _ in
        let start = Communicator.wallTime()
        product()
        return Communicator.wallTime() - start
      }.sorted()
    }
    let rate = 2 * Double(order * order * order) / times[times.count / 2] / Double(threads)
    let rates = try comm.allgatherRagged([rate]).sorted()
    return rates[rates.count / 2]
  }
}

/// An observer that adds up the time of communication.
private final class CommunicationClock: StageObserver {
  private(set) var seconds = 0.0

  func stageBegan(_ name: String, items: Int) {}
  func stageAdvanced(to done: Int) {}
  func stageEnded() {}

  func communicating<R>(_ body: () throws -> R) rethrows -> R {
    let start = Communicator.wallTime()
    defer { seconds += Communicator.wallTime() - start }
    return try body()
  }
}
