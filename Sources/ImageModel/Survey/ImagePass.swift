import Execution
import MPI
import ParticleIO

/// One look at the images of some particles: each rank has its share of them, each thread of a rank takes some.
struct ImagePass {
  /// The particles that are looked at.
  let set: ParticleSet
  /// Where each of them stands in the STAR file.
  let originalIndex: [Int32]
  let threads: Int
  let comm: Communicator
  let stop: StopRequest?
  /// This rank's share, where it is not the usual one.
  var share: Range<Int>?

  /// Of all images, or every so many where they are more than enough: what is measured over all of them is as good.
  static func sample(of images: Int, atMost most: Int) -> [Int] {
    Array(stride(from: 0, to: images, by: max(1, (images + most - 1) / most)))
  }

  /// This rank's share.
  var own: Range<Int> {
    share ?? Partition(of: set.particles.count, among: comm.size).range(of: comm.rank)
  }

  /// What `body` makes of each image of this rank's share: its pixels and its place among the particles.
  /// - Throws: `InputError` on the rank whose stack cannot be read; `Interruption` on all ranks.
  func map<State, Result: Sendable>(
    progress: (Int) throws -> Void = { _ in }, state: () -> State,
    _ body: @Sendable (inout State, UnsafePointer<Float>, Int) -> Result
  ) throws -> [Result] {
    var results: [Result] = []
    let own = own
    results.reserveCapacity(own.count)
    let pixels = set.boxSize * set.boxSize
    let workers = WorkerPool(threads: threads, state: state)
    // Not inside `agree`: a stack that fails half-way ends the job at once, and the other ranks need not
    // come to the end of their slices first.
    try ParticleReader(set).forEachChunk(of: own, images: 64 * threads, stop: stop) {
      range, chunk in
      let chunk = SharedPointer(chunk)
      results += workers.map(range.count) { state, i in
        body(&state, chunk.pointer.baseAddress! + i * pixels, range.lowerBound + i)
      }
      try progress(results.count)
    }
    try stop?.throwIfAgreed()
    return results
  }
}

/// Sums over images of rows of numbers. The result's bits do not depend on the number of ranks.
enum RowSums {
  /// The rows' sums over all ranks, and how many rows there are. Collective.
  static func sums(of rows: [[Double]], width: Int, on comm: Communicator) throws -> (
    sums: [Double], count: Int
  ) {
    let count = try comm.allreduce(rows.count)
    var bounds = [Double](repeating: 0, count: width)
    for row in rows { for i in 0..<width { bounds[i] = max(bounds[i], abs(row[i])) } }
    try comm.allreduce(&bounds, .maximum)
    var sums = bounds.map { FixedPointSum(count: 1, bound: $0, terms: count) }
    for row in rows { for i in 0..<width { sums[i].add(row[i]) } }
    return (try FixedPointSum.reduced(sums, over: comm).map { $0[0] }, count)
  }
}
