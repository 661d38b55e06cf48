import Execution
import ImageModel
import MPI

/// Some images' statistics as the all-pairs search compares them and as they travel round the ring of
/// ranks: ordered by defocus group, 16 images of one group side by side (a lane group; fewer at a group's
/// end). Row r is lane r mod 16 of lane group r / 16; a row without an image has the index -1.
///
/// Filled once, then read only, so that it can be sent while it is compared.
final class PairBlock: Sendable {
  /// Real numbers of an image: component by component, real and imaginary part.
  let width: Int
  /// The number of lane groups.
  let laneGroupCount: Int
  /// [lane group][component * 2 + part][lane], and behind them the bits of the defocus group and of each
  /// image's global index.
  private let shared: SharedPointer<UnsafeMutablePointer<SIMD16<Float>>>

  private static let extra = 2
  private var stride: Int { width + Self.extra }
  private var vectors: UnsafeMutablePointer<SIMD16<Float>> { shared.pointer }

  /// With room for `laneGroupCount` lane groups.
  init(width: Int, laneGroupCount: Int) {
    self.width = width
    self.laneGroupCount = laneGroupCount
    shared = SharedPointer(.allocate(capacity: laneGroupCount * (width + Self.extra)))
    vectors.initialize(
      repeating: SIMD16(repeating: Float(bitPattern: .max)),
      count: laneGroupCount * (width + Self.extra))
  }

  /// What another block's `message` holds, or a part of it of whole lane groups.
  convenience init(width: Int, message: UnsafeBufferPointer<Float>) {
    self.init(width: width, laneGroupCount: message.count / Self.length(width: width))
    _ = self.message.update(fromContentsOf: message)
  }

  deinit { vectors.deallocate() }

  /// Floats of a lane group in a message.
  static func length(width: Int) -> Int { (width + extra) * 16 }

  /// Rows, those without an image included.
  var count: Int { laneGroupCount * 16 }

  /// The coefficients of a lane group: `width` vectors.
  func coefficients(_ at: Int) -> UnsafePointer<SIMD16<Float>> {
    UnsafePointer(vectors + at * stride)
  }

  /// The defocus group of a lane group.
  func group(_ at: Int) -> Int { Int(vectors[at * stride + width][0].bitPattern) }

  /// The global index of a row's image, or -1.
  func index(_ row: Int) -> Int32 {
    Int32(bitPattern: vectors[row / 16 * stride + width + 1][row % 16].bitPattern)
  }

  /// Everything, as a message.
  var message: UnsafeMutableBufferPointer<Float> {
    let floats = UnsafeMutableRawPointer(vectors).assumingMemoryBound(to: Float.self)
    return UnsafeMutableBufferPointer(start: floats, count: laneGroupCount * stride * 16)
  }

  /// Rows of consecutive lane groups of one defocus group.
  struct Run {
    var group: Int
    var rows: Range<Int>
  }

  var runs: [Run] {
    var runs: [Run] = []
    for at in 0..<laneGroupCount {
      if runs.last?.group == group(at) {
        runs[runs.count - 1].rows = runs.last!.rows.lowerBound..<16 * (at + 1)
      } else {
        runs.append(Run(group: group(at), rows: 16 * at..<16 * (at + 1)))
      }
    }
    return runs
  }

  /// The rows cut into parts of one defocus group each, ascending, of at most `length` rows.
  static func tiles(_ runs: [Run], in rows: Range<Int>, length: Int) -> [Run] {
    runs.flatMap { run in
      let part = run.rows.clamped(to: rows)
      return Swift.stride(from: part.lowerBound, to: part.upperBound, by: length).map {
        Run(group: run.group, rows: $0..<min($0 + length, part.upperBound))
      }
    }
  }

  /// The images of every rank's block, by lane groups: all images in the order of (defocus group, index)
  /// are dealt out in parts as large as the ranks' slices.
  static func laneGroups(of partition: Partition, groups: [Int32]) -> [[ArraySlice<Int>]] {
    let order = groups.indices.sorted { (groups[$0], $0) < (groups[$1], $1) }
    return (0..<partition.parts).map {
      laneGroups(of: order[partition.range(of: $0)], groups: groups)
    }
  }

  /// Images in the order of their defocus groups, by lane groups.
  static func laneGroups(of images: ArraySlice<Int>, groups: [Int32]) -> [ArraySlice<Int>] {
    var found: [ArraySlice<Int>] = []
    var start = images.startIndex
    while start < images.endIndex {
      let group = groups[images[start]]
      var next = start + 1
      while next < min(start + 16, images.endIndex), groups[images[next]] == group { next += 1 }
      found.append(images[start..<next])
      start = next
    }
    return found
  }

  /// This rank's block, moved there by exchanges of a part at a time, so that what arrives is not held
  /// twice. Collective.
  /// - Parameter laneGroups: the images of every rank's lane groups.
  static func fetched(
    _ laneGroups: [[ArraySlice<Int>]], of rows: CoefficientStore, groups: [Int32], rank: Int
  ) throws -> PairBlock {
    let own = laneGroups[rank]
    let block = PairBlock(width: rows.width, laneGroupCount: own.count)
    let part = 256
    let longest = laneGroups.map(\.count).max() ?? 0
    for start in Swift.stride(from: 0, to: longest, by: part) {
      let range = min(start, own.count)..<min(start + part, own.count)
      let images = own[range].joined().sorted().map { Int32($0) }
      try rows.fetch(images).withRows { rows in
        for at in range {
          block.fill(at, with: own[at], group: groups[own[at].first!]) { rows[Int32($0)] }
        }
      }
    }
    return block
  }

  /// Some images, of which all rows are at hand, by lane groups.
  convenience init(_ laneGroups: [ArraySlice<Int>], of rows: FetchedCoefficients, groups: [Int32]) {
    self.init(width: rows.width, laneGroupCount: laneGroups.count)
    rows.withRows { rows in
      for (at, images) in laneGroups.enumerated() {
        fill(at, with: images, group: groups[images.first!]) { rows[Int32($0)] }
      }
    }
  }

  /// Fills a lane group with images.
  /// - Parameter row: where an image's coefficients are.
  func fill(
    _ at: Int, with images: some Sequence<Int>, group: Int32, row: (Int) -> UnsafePointer<Float>
  ) {
    fill(at, group: group) { target in
      for (lane, image) in images.enumerated() {
        target.setLane(lane, to: row(image), count: width)
        target[width + 1][lane] = Float(bitPattern: UInt32(image))
      }
    }
  }

  /// Fills a lane group whose rows are all without image: `body` is given its `width` vectors of coefficients
  /// and, behind the next one, the bits of the images' indices.
  func fill(_ at: Int, group: Int32, _ body: (UnsafeMutablePointer<SIMD16<Float>>) -> Void) {
    let target = vectors + at * stride
    for i in 0..<width { target[i] = .zero }
    target[width] = SIMD16(repeating: Float(bitPattern: UInt32(bitPattern: group)))
    body(target)
  }
}
