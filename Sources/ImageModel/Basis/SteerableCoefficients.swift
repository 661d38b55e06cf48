/// Angular blocks of a steerable expansion, in ascending order of frequency.
///
/// Block b has the angular frequency `frequencies[b]` (0, 1, ...) and the components
/// `offsets[b]..<offsets[b + 1]`.
public struct AngularLayout: Sendable, Equatable {
  /// The angular frequency of each block, not negative, ascending.
  public let frequencies: [Int]
  /// Where each block's components start; one more entry than blocks.
  public let offsets: [Int]

  /// Blocks of `counts[b]` components each.
  public init(frequencies: [Int], counts: [Int]) {
    precondition(frequencies.count == counts.count, "a count for each frequency")
    precondition(frequencies.allSatisfy { $0 >= 0 }, "angular frequencies are not negative")
    precondition(zip(frequencies, frequencies.dropFirst()).allSatisfy(<), "frequencies ascend")
    self.frequencies = frequencies
    var offsets = [0]
    for count in counts { offsets.append(offsets.last! + count) }
    self.offsets = offsets
  }

  /// The number of components over all blocks.
  @inlinable public var componentCount: Int { offsets[offsets.count - 1] }

  /// The number of blocks.
  @inlinable public var blockCount: Int { frequencies.count }

  /// The components of a block.
  @inlinable public func components(ofBlock block: Int) -> Range<Int> {
    offsets[block]..<offsets[block + 1]
  }

  /// The angular frequency of every component.
  public var frequencyOfComponent: [Int] {
    (0..<blockCount).flatMap { block in components(ofBlock: block).map { _ in frequencies[block] } }
  }
}

/// Complex steerable coefficients of this rank's images, in groups of 16 images side by side.
///
/// `lanes[(group * componentCount + component) * 2 + part]` holds part 0 (real) or 1 (imaginary) of one
/// component; lane l of group g is image 16 g + l of the slice, and unused lanes are zero. Rotating an
/// image by theta multiplies its component of frequency k by exp(+i k theta); reflecting it conjugates
/// all. Components of frequency 0 are real.
public struct SteerableCoefficients: Sendable {
  /// Which components there are.
  public let layout: AngularLayout
  /// The number of images.
  public let count: Int
  /// Structure of arrays; see the type's description for the order.
  public var lanes: [SIMD16<Float>]

  /// The number of images in a group.
  public static let laneGroupSize = 16

  /// All zero.
  public init(layout: AngularLayout, count: Int) {
    self.layout = layout
    self.count = count
    let groups = (count + Self.laneGroupSize - 1) / Self.laneGroupSize
    lanes = [SIMD16<Float>](repeating: .zero, count: groups * layout.componentCount * 2)
  }

  /// Rows of `componentCount` pairs (re, im), one image after the other.
  package init(layout: AngularLayout, rows: [Float]) {
    self.init(layout: layout, count: rows.count / (layout.componentCount * 2))
    rows.withUnsafeBufferPointer { setRows($0, from: 0) }
  }

  /// Writes the pairs (re, im) of one image of the slice, component by component.
  package func copyRow(_ image: Int, to row: UnsafeMutablePointer<Float>) {
    let width = layout.componentCount * 2
    let (group, lane) = image.quotientAndRemainder(dividingBy: Self.laneGroupSize)
    lanes.withUnsafeBufferPointer {
      ($0.baseAddress! + group * width).copyLane(lane, to: row, count: width)
    }
  }

  /// Each image of the slice times a number.
  func multiplied(by factors: [Float]) -> SteerableCoefficients {
    var result = self
    let width = layout.componentCount * 2
    for (image, factor) in factors.enumerated() where factor != 1 {
      let (group, lane) = image.quotientAndRemainder(dividingBy: Self.laneGroupSize)
      for i in group * width..<(group + 1) * width { result.lanes[i][lane] *= factor }
    }
    return result
  }

  /// Appends the pairs (re, im) of one image of the slice, component by component.
  func appendRow(_ image: Int, to row: inout [Float]) {
    let width = layout.componentCount * 2
    let (group, lane) = image.quotientAndRemainder(dividingBy: Self.laneGroupSize)
    for i in group * width..<(group + 1) * width { row.append(lanes[i][lane]) }
  }

  /// Sets rows of `componentCount` pairs (re, im), from image `first` of the slice on.
  mutating func setRows(_ rows: UnsafeBufferPointer<Float>, from first: Int) {
    let width = layout.componentCount * 2
    precondition(rows.count % width == 0 && first + rows.count / width <= count)
    for row in 0..<rows.count / width {
      let (group, lane) = (first + row).quotientAndRemainder(dividingBy: Self.laneGroupSize)
      for i in 0..<width { lanes[group * width + i][lane] = rows[row * width + i] }
    }
  }

  /// The number of groups of 16 images; the last may be partly filled.
  public var laneGroupCount: Int { (count + Self.laneGroupSize - 1) / Self.laneGroupSize }

  /// One coefficient of one image of the slice.
  public func value(image: Int, component: Int) -> (re: Float, im: Float) {
    let (group, lane) = image.quotientAndRemainder(dividingBy: Self.laneGroupSize)
    let index = (group * layout.componentCount + component) * 2
    return (lanes[index][lane], lanes[index + 1][lane])
  }

  /// Sets one coefficient of one image of the slice.
  public mutating func setValue(_ value: (re: Float, im: Float), image: Int, component: Int) {
    precondition(image < count && component < layout.componentCount, "a coefficient of the slice")
    let (group, lane) = image.quotientAndRemainder(dividingBy: Self.laneGroupSize)
    let index = (group * layout.componentCount + component) * 2
    lanes[index][lane] = value.re
    lanes[index + 1][lane] = value.im
  }
}
