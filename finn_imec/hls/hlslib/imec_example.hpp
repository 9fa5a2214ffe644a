/****************************************************************************
 * @brief	Example layer on imec.hpp, to copy for your own: 3x3 over 8x10x4,
 *		6 output channels, 4-bit activations, 2-bit weights, 3 thresholds.
 ***************************************************************************/
#ifndef IMEC_EXAMPLE_HPP
#define IMEC_EXAMPLE_HPP

#include "imec.hpp"

namespace imec_example_params {

using layer = imec::geometry<3,3, 8,10, 4,6, 1,1, 1,1, 2,3, 4>;
using activation_type = ap_uint<4>;
using weight_type = ap_int<2>;
using acc_type = ap_int<12>;
using act_type = imec::thresholds<layer, acc_type, 3, 2>;

extern imec::weight_array<layer, weight_type> const  weights;
extern act_type const  act;

} // namespace imec_example_params

void imec_example(hls::stream<ap_uint<4*4>> &in, hls::stream<ap_uint<3*2>> &out);

#endif
