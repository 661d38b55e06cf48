import Foundation
import ImageModel

/// Scores pairs of images over all in-plane rotations and both reflections (method E.5): per pair one
/// inner product per angular frequency, whose four real products serve both reflections, and one inverse
/// FFT, whose real part is the image as it is and whose imaginary part the reflected one. 16 pairs side by
/// side. One instance a thread.
final class PairScorer {
  private let model: PairModel
  private let rotations: RotationSearch
  /// 16 second images and their weights: [component * 2 + part][lane].
  private var second: [SIMD16<Float>]
  private var first: [SIMD16<Float>]
  private var offsets = SIMD16<Float>.zero
  private var filled = 0

  init(model: PairModel) {
    self.model = model
    rotations = RotationSearch(layout: model.layout)
    second = .init(repeating: .zero, count: model.layout.componentCount * 2)
    first = second
  }

  /// Adds a pair to the batch.
  /// - Parameters:
  ///   - w: P_gh b_i of the first image; b: b_j of the second; both component-major, (re, im).
  ///   - offset: constant_gh + self_i(h) + self_j(g).
  func add(weighted w: UnsafePointer<Float>, second b: UnsafePointer<Float>, offset: Float) {
    let count = model.layout.componentCount * 2
    second.withUnsafeMutableBufferPointer { $0.baseAddress!.setLane(filled, to: b, count: count) }
    first.withUnsafeMutableBufferPointer { $0.baseAddress!.setLane(filled, to: w, count: count) }
    offsets[filled] = offset
    filled += 1
  }

  /// Makes a batch of `count` pairs at once, in an empty scorer, as `add` does one by one.
  /// - Parameter body: writes the first images' w and the second ones' b, [component * 2 + part][lane], and returns
  ///   the offsets. Lanes from `count` on may hold anything finite.
  func fill(
    _ count: Int,
    _ body: (
      _ first: UnsafeMutablePointer<SIMD16<Float>>, _ second: UnsafeMutablePointer<SIMD16<Float>>
    ) -> SIMD16<Float>
  ) {
    precondition(filled == 0)
    offsets = first.withUnsafeMutableBufferPointer { first in
      second.withUnsafeMutableBufferPointer { second in
        body(first.baseAddress!, second.baseAddress!)
      }
    }
    filled = count
  }

  var isFull: Bool { filled == 16 }

  /// Scores the batch, empties it, and hands out its scores in the order in which pairs were added.
  /// - Parameter onlyReflected: true or false where the reflection is given already.
  func flush(onlyReflected: Bool? = nil, _ body: (Int, PairScore) -> Void) {
    if filled == 0 { return }
    correlate()
    let scores = rotations.best(of: filled, offsets: offsets, onlyReflected: onlyReflected)
    for (lane, score) in scores.enumerated() { body(lane, score) }
    filled = 0
  }

  /// c_k = w^H b and, reflected, w^H conj(b), summed over each block's components.
  private func correlate() {
    let layout = model.layout
    let (first, second) = (first, second)
    for block in 0..<layout.blockCount {
      var (ac, bd) = (SIMD16<Float>.zero, SIMD16<Float>.zero)
      var (ad, bc) = (SIMD16<Float>.zero, SIMD16<Float>.zero)
      for component in layout.components(ofBlock: block) {
        let (a, b) = (first[2 * component], first[2 * component + 1])
        let (c, d) = (second[2 * component], second[2 * component + 1])
        ac.addProduct(a, c)
        bd.addProduct(b, d)
        ad.addProduct(a, d)
        bc.addProduct(b, c)
      }
      rotations.set(block: block, (ac + bd, ad - bc), reflected: (ac - bd, -ad - bc))
    }
  }
}
