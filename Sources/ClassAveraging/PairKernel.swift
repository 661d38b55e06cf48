/// The heart of the all-pairs search: inner products per angular frequency of four images with sixteen,
/// for both reflections, and upper bounds of their sums over all rotations.
///
/// With first images w (weighted) and second images b, the four real products per component serve
/// c_k = w^H b and, for the reflected second image, c'_k = w^H conj(b). Since |c| <= (|c|^2 / t + t) / 2 for
/// any t > 0, sum_k |c_k| <= sum_k |c_k|^2 / (2 t_k) + sum_k t_k / 2, which bounds
/// Re sum_k c_k e^{ik theta} at every theta without a square root; t_k is the first image's typical |c_k|.
struct PairKernel {
  /// Where each block's components start.
  let offsets: [Int]

  /// Rows handled at once.
  static let rows = 4

  /// Floats of the spectra of one row with 16 images: [block * 4 + (re, im, reflected re, im)][lane].
  var spectrumLength: Int { (offsets.count - 1) * 4 }

  /// - Parameters:
  ///   - first: four rows of weighted coefficients, `stride` floats apart.
  ///   - rates: 1 / (2 t_k) of each of the four rows, `rateStride` floats apart.
  ///   - second: coefficients of 16 images, [component * 2 + part].
  ///   - spectra: four times `spectrumLength` vectors.
  /// - Returns: sum_k |c_k|^2 / (2 t_k), the larger of the two reflections, of each row.
  @inline(__always)
  func correlate(
    first: UnsafePointer<Float>, stride: Int, rates: UnsafePointer<Float>, rateStride: Int,
    second: UnsafePointer<SIMD16<Float>>, spectra: UnsafeMutablePointer<SIMD16<Float>>
  ) -> (SIMD16<Float>, SIMD16<Float>, SIMD16<Float>, SIMD16<Float>) {
    typealias Lanes = SIMD16<Float>
    var (direct0, direct1, direct2, direct3) = (Lanes.zero, Lanes.zero, Lanes.zero, Lanes.zero)
    var (mirror0, mirror1, mirror2, mirror3) = (Lanes.zero, Lanes.zero, Lanes.zero, Lanes.zero)
    let length = spectrumLength
    let (row0, row1) = (first, first + stride)
    let (row2, row3) = (first + 2 * stride, first + 3 * stride)

    @inline(__always)
    func finish(
      _ ac: Lanes, _ bd: Lanes, _ ad: Lanes, _ bc: Lanes, _ rate: Float, _ at: Int,
      _ direct: inout Lanes, _ mirror: inout Lanes
    ) {
      let re = ac + bd
      let im = ad - bc
      let mirrorRe = ac - bd
      let mirrorIm = -(ad + bc)
      spectra[at] = re
      spectra[at + 1] = im
      spectra[at + 2] = mirrorRe
      spectra[at + 3] = mirrorIm
      let scale = Lanes(repeating: rate)
      direct.addProduct(scale, (re * re).addingProduct(im, im))
      mirror.addProduct(scale, (mirrorRe * mirrorRe).addingProduct(mirrorIm, mirrorIm))
    }

    offsets.withUnsafeBufferPointer { offsets in
      for block in 0..<offsets.count - 1 {
        var (ac0, bd0, ad0, bc0) = (Lanes.zero, Lanes.zero, Lanes.zero, Lanes.zero)
        var (ac1, bd1, ad1, bc1) = (Lanes.zero, Lanes.zero, Lanes.zero, Lanes.zero)
        var (ac2, bd2, ad2, bc2) = (Lanes.zero, Lanes.zero, Lanes.zero, Lanes.zero)
        var (ac3, bd3, ad3, bc3) = (Lanes.zero, Lanes.zero, Lanes.zero, Lanes.zero)
        for component in offsets[block]..<offsets[block + 1] {
          let at = 2 * component
          let c = second[at]
          let d = second[at + 1]
          let (a0, b0) = (Lanes(repeating: row0[at]), Lanes(repeating: row0[at + 1]))
          ac0.addProduct(a0, c)
          bd0.addProduct(b0, d)
          ad0.addProduct(a0, d)
          bc0.addProduct(b0, c)
          let (a1, b1) = (Lanes(repeating: row1[at]), Lanes(repeating: row1[at + 1]))
          ac1.addProduct(a1, c)
          bd1.addProduct(b1, d)
          ad1.addProduct(a1, d)
          bc1.addProduct(b1, c)
          let (a2, b2) = (Lanes(repeating: row2[at]), Lanes(repeating: row2[at + 1]))
          ac2.addProduct(a2, c)
          bd2.addProduct(b2, d)
          ad2.addProduct(a2, d)
          bc2.addProduct(b2, c)
          let (a3, b3) = (Lanes(repeating: row3[at]), Lanes(repeating: row3[at + 1]))
          ac3.addProduct(a3, c)
          bd3.addProduct(b3, d)
          ad3.addProduct(a3, d)
          bc3.addProduct(b3, c)
        }
        let at = 4 * block
        finish(ac0, bd0, ad0, bc0, rates[block], at, &direct0, &mirror0)
        finish(
          ac1, bd1, ad1, bc1, rates[rateStride + block], at + length, &direct1, &mirror1)
        finish(
          ac2, bd2, ad2, bc2, rates[2 * rateStride + block], at + 2 * length, &direct2, &mirror2)
        finish(
          ac3, bd3, ad3, bc3, rates[3 * rateStride + block], at + 3 * length, &direct3, &mirror3)
      }
    }
    return (
      pointwiseMax(direct0, mirror0), pointwiseMax(direct1, mirror1),
      pointwiseMax(direct2, mirror2), pointwiseMax(direct3, mirror3)
    )
  }
}
