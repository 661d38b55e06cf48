import Foundation

extension AngularLayout {
  /// Hands out e^{ik angle} as (cos, sin), with each block and its angular frequency k: what rotates the block's
  /// components by `angle` radians. Powers of e^{i angle} by multiplication, for a cosine and a sine of each
  /// block took 4 % of a run; the k-th errs by some k roundings.
  @inlinable @inline(__always)
  package func forEachPhase(
    of angle: Double, _ body: (_ block: Int, _ k: Int, _ phase: SIMD2<Double>) -> Void
  ) {
    let turn = SIMD2(cos(angle), sin(angle))
    var phase = SIMD2(1.0, 0.0)
    var power = 0
    for (block, k) in frequencies.enumerated() {
      while power < k {
        phase = SIMD2(phase.x * turn.x - phase.y * turn.y, phase.x * turn.y + phase.y * turn.x)
        power += 1
      }
      body(block, k, phase)
    }
  }
}
