/// The larger of each two elements, as one instruction (the standard library's `pointwiseMax` goes
/// through the elements one by one).
@inlinable @inline(__always)
package func larger(_ a: SIMD16<Float>, _ b: SIMD16<Float>) -> SIMD16<Float> {
  a.replacing(with: b, where: a .< b)
}

/// The smaller of each two elements.
@inlinable @inline(__always)
package func smaller(_ a: SIMD16<Float>, _ b: SIMD16<Float>) -> SIMD16<Float> {
  a.replacing(with: b, where: b .< a)
}

extension UnsafeMutablePointer<SIMD16<Float>> {
  /// Writes one image of 16, `values[i]` into the lane of vector i.
  @inlinable package func setLane(_ lane: Int, to values: UnsafePointer<Float>, count: Int) {
    let target = UnsafeMutableRawPointer(self).assumingMemoryBound(to: Float.self) + lane
    for i in 0..<count { target[16 * i] = values[i] }
  }
}

extension UnsafePointer<SIMD16<Float>> {
  /// Reads one image of 16, `values[i]` from the lane of vector i.
  @inlinable package func copyLane(_ lane: Int, to values: UnsafeMutablePointer<Float>, count: Int)
  {
    let source = UnsafeRawPointer(self).assumingMemoryBound(to: Float.self) + lane
    for i in 0..<count { values[i] = source[16 * i] }
  }
}
